"""Roots that are damaged, foreign, missing or taken: every program that opens one says so in a
sentence, ends with its status for failure, and writes nowhere but in the root."""
import contextlib
import io
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import tarfile
import tempfile
import unittest

BUILD = os.environ["ISH_BUILD"]
# ELF for ARM64: exit(42).
PROGRAM = (b"\x7fELF\2\1\1" + bytes(9) +
           struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0) +
           struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 132, 132, 0x1000) +
           struct.pack("<3I", 0xD2800540, 0xD2800BA8, 0xD4000001))
# And one that waits to be killed: ppoll(NULL, 0, NULL, NULL), after writing a line.
WAITER = PROGRAM[:64] + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 256, 256, 0x1000) + \
    struct.pack("<11I", 0xD2800020, 0x10000141, 0xD2800062, 0xD2800808, 0xD4000001, 0xD2800000,
                0xD2800001, 0xD2800002, 0xD2800003, 0xD2800928, 0xD4000001) + b"up\n"
WAITER = WAITER.ljust(256, b"\0")

# What opens a root: arguments, and the status of a failure.
OPENERS = {
    "ish": (lambda root, out: ["ish", "-f", root, "/program"], 125),
    "unfakefsify": (lambda root, out: ["unfakefsify", root, out], 1),
    "fakefs-fsck": (lambda root, out: ["fakefs-fsck", root], 4),
    "fakefs-fsck --repair": (lambda root, out: ["fakefs-fsck", "--repair", root], 4),
}


def tree(path):
    """Everything below a folder: name, kind, content."""
    found = {}
    for at, dirs, files in os.walk(path):
        for name in dirs + files:
            full = os.path.join(at, name)
            data = b""
            if os.path.isfile(full) and not os.path.islink(full):
                with open(full, "rb") as f:
                    data = f.read()
            found[os.path.relpath(full, path)] = (os.lstat(full).st_mode, data)
    return found


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ish-bad-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.root = self.path("root")
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, data in (("program", PROGRAM), ("waiter", WAITER), ("owned", b"mine")):
                info = tarfile.TarInfo(name)
                info.size, info.mode, info.uid = len(data), 0o755, 1000 if name == "owned" else 0
                tar.addfile(info, io.BytesIO(data))
            for name in ("dev", "etc", "proc", "sys", "tmp"):
                info = tarfile.TarInfo(name)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
        subprocess.run([os.path.join(BUILD, "fakefsify"), "-", self.root], input=out.getvalue(),
                       check=True, stderr=subprocess.DEVNULL)

    def path(self, name):
        return os.path.join(self.dir, name)

    def run_it(self, args):
        args = [os.path.join(BUILD, args[0])] + args[1:]
        done = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, cwd=self.dir,
                              timeout=60)
        return done.returncode, (done.stdout + done.stderr).decode(errors="replace")

    def refused(self, root, words, but=()):
        """Every program refuses `root`, with these words, and leaves it and the rest alone."""
        before = tree(self.dir)
        for name, (command, failure) in OPENERS.items():
            if name in but:
                continue
            status, said = self.run_it(command(root, self.path("out.tar")))
            self.assertEqual(status, failure, "%s: %s" % (name, said))
            for word in words:
                self.assertIn(word, said, name)
            self.assertLess(len(said.splitlines()), 4, name)
        after = tree(self.dir)
        for found in (before, after):  # what opening may leave inside the root
            for name in ("lock", "tmp", "meta.db-log", "meta.db-wal", "meta.db-shm", "meta.db-journal"):
                found.pop(os.path.join(os.path.basename(root), name), None)
        self.assertEqual(before.keys(), after.keys())
        self.assertEqual(before, after)


class Databases(Case):
    def setUp(self):
        super().setUp()
        self.db = os.path.join(self.root, "meta.db")

    def replace(self, data):
        with open(self.db, "wb") as out:
            out.write(data)

    def test_sound(self):
        """the root these tests damage is sound"""
        self.assertEqual(self.run_it(["ish", "-f", self.root, "/program"]), (42, ""))
        self.assertEqual(self.run_it(["fakefs-fsck", self.root])[0], 0)

    def test_noise(self):
        """a meta.db of random bytes"""
        self.replace(os.urandom(30000))
        self.refused(self.root, ["meta.db"])

    def test_text(self):
        """a meta.db that is a text"""
        self.replace(b"hello\n")
        self.refused(self.root, ["meta.db"])

    def test_empty(self):
        """an empty meta.db"""
        self.replace(b"")
        self.refused(self.root, ["meta.db"])

    def test_cut(self):
        """a meta.db that was cut"""
        size = os.path.getsize(self.db)
        for part in (1, 99, 4096, size // 2):
            os.truncate(self.db, min(part, os.path.getsize(self.db)))
            self.refused(self.root, ["meta.db"])
            self.setUp()

    def test_later_version(self):
        """a meta.db of a later format"""
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            db.execute("PRAGMA user_version=3")
        self.refused(self.root, ["meta.db", "version 3"])

    def test_first_version(self):
        """a meta.db of the first format, made before there was a log: it is brought up to date"""
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            db.execute("PRAGMA user_version=1")
        self.assertEqual(self.run_it(["fakefs-fsck", self.root])[0], 0)
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            self.assertEqual(db.execute("PRAGMA user_version").fetchone(), (2,))

    def test_foreign(self):
        """a database of some other program"""
        os.unlink(self.db)
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            db.execute("CREATE TABLE bookmarks(url)")
            db.commit()
        self.refused(self.root, ["meta.db"])

    def test_path_keyed(self):
        """a root of iSH (keyed by path, version 3) names what converts it"""
        os.unlink(self.db)
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            db.executescript("""
                CREATE TABLE meta (id integer unique default 0, db_inode integer);
                INSERT INTO meta (db_inode) VALUES (0);
                CREATE TABLE stats (inode integer primary key, stat blob);
                CREATE TABLE paths (path blob primary key, inode integer references stats(inode));
                CREATE INDEX inode_to_path ON paths (inode, path);
                PRAGMA user_version=3;""")
        self.refused(self.root, ["iSH", "fakefsify"])

    def test_missing_tables(self):
        """a meta.db without one of its tables"""
        for table in ("inode", "meta", "xattr", "rename_log"):
            with contextlib.closing(sqlite3.connect(self.db)) as db:
                db.execute("DROP TABLE " + table)
                db.commit()
            status, said = self.run_it(["fakefs-fsck", self.root])
            self.assertEqual(status, 4, table + ": " + said)
            self.assertIn("meta.db", said)
            status, said = self.run_it(["ish", "-f", self.root, "/program"])
            self.assertIn(status, (42, 125), table + ": " + said)
            self.assertEqual(status == 125, bool(said), table + ": " + said)
            self.setUp()

    def test_flipped_bytes(self):
        """flipped bytes in meta.db end nothing with a crash"""
        chance = random.Random(5)
        with open(self.db, "rb") as f:
            sound = f.read()
        for turn in range(40):
            broken = bytearray(sound)
            for _ in range(chance.randrange(1, 30)):
                broken[chance.randrange(len(broken))] = chance.randrange(256)
            for command, failure in OPENERS.values():
                self.replace(broken)
                status, said = self.run_it(command(self.root, self.path("out.tar")))
                self.assertGreaterEqual(status, 0, "turn %d: killed: %s" % (turn, said))
                self.assertTrue(status in (0, 1, 42) or said, "turn %d: no word" % turn)
                for name in ("meta.db-log", "meta.db-wal", "meta.db-shm", "meta.db-journal"):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(os.path.join(self.root, name))


class Roots(Case):
    def test_missing(self):
        """a root that is not there is named"""
        self.refused(self.path("nowhere"), ["nowhere"])

    def test_not_a_root(self):
        """a folder that is not a root, or half of one"""
        os.mkdir(self.path("folder"))
        self.refused(self.path("folder"), ["folder", "not a root"])
        os.mkdir(self.path("folder/data"))
        self.refused(self.path("folder"), ["folder", "not a root"])
        os.rmdir(self.path("folder/data"))
        shutil.copy(os.path.join(self.root, "meta.db"), self.path("folder/meta.db"))
        self.refused(self.path("folder"), ["folder", "not a root"])

    def test_a_file(self):
        """a file in the place of a root"""
        with open(self.path("file"), "w") as out:
            out.write("text")
        self.refused(self.path("file"), ["file"])

    def test_parts_that_are_links(self):
        """parts of a root that are symlinks lead nowhere else"""
        shutil.move(os.path.join(self.root, "data"), self.path("elsewhere"))
        os.symlink("../elsewhere", os.path.join(self.root, "data"))
        self.refused(self.root, ["not a root"])

    def test_twice(self):
        """a root that is in use is refused, and free again afterwards"""
        with subprocess.Popen([os.path.join(BUILD, "ish"), "-f", self.root, "/waiter"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as first:
            try:
                self.assertEqual(first.stdout.readline(), b"up\n")
                for name, (command, failure) in OPENERS.items():
                    status, said = self.run_it(command(self.root, self.path("out.tar")))
                    self.assertEqual(status, failure, name)
                    self.assertIn("in use", said, name)
            finally:
                first.kill()
        self.assertEqual(self.run_it(["ish", "-f", self.root, "/program"]), (42, ""))

    def test_usage(self):
        """an unknown option is a usage error that names it"""
        status, said = self.run_it(["ish", "--nonsense", "-f", self.root, "/program"])
        self.assertEqual(status, 125)
        self.assertIn("--nonsense", said)
        self.assertIn("usage:", said)
        for args in (["ish"], ["ish", "-f"], ["ish", "/program"], ["ish", "-f", self.root]):
            status, said = self.run_it(args)
            self.assertEqual(status, 125, args)
            self.assertTrue(said.strip(), args)


if __name__ == "__main__":
    unittest.main()
