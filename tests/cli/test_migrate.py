"""fakefsify converts a root of iSH (a database of version 3, keyed by path) where it is: names,
owners, modes, devices, links and contents stay, the old database is kept, and an interrupted
conversion is finished by the next one."""
import io
import os
import shutil
import sqlite3
import stat
import struct
import subprocess
import tarfile
import tempfile
import unittest

BUILD = os.environ["ISH_BUILD"]

# path: mode, owner, group, device, contents (a target for symlinks; None for what has none)
TREE = {
    "": (0o40755, 0, 0, 0, None),
    "/bin": (0o40755, 0, 0, 0, None),
    "/bin/busybox": (0o104755, 0, 0, 0, b"program"),
    "/bin/sh": (0o120777, 0, 0, 0, b"/bin/busybox"),
    "/bin/twin": (0o104755, 0, 0, 0, "/bin/busybox"),  # a hard link
    "/dev": (0o40755, 0, 0, 0, None),
    "/dev/null": (0o20666, 0, 0, 0x103, b""),
    "/dev/many": (0o60660, 0, 6, (259 << 8) | (300 & 0xff) | (300 >> 8 << 20), b""),
    "/etc": (0o40700, 3, 4, 0, None),
    "/etc/shadow": (0o100000, 0, 42, 0, b"secret"),
    "/etc/link": (0o120777, 1000, 1000, 0, b"../bin/sh"),
    "/home": (0o42775, 1000, 50, 0, None),
    "/home/plain": (0o100644, 0, 0, 0, b"no row"),
    "/home/mine": (0o100640, 1000, 1000, 0, b"mine"),
    "/home/pipe": (0o10600, 1000, 1000, 0, b""),
    "/tmp": (0o41777, 0, 0, 0, None),
}


def tool(name, *args):
    return subprocess.run([os.path.join(BUILD, name), *args], capture_output=True)


class Migrate(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ish-migrate-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.root = os.path.join(self.dir, "root")
        self.make(self.root)

    def make(self, root):
        """What iSH's own importer makes."""
        data = os.path.join(root, "data")
        os.makedirs(data)
        db = sqlite3.connect(os.path.join(root, "meta.db"))
        db.executescript(
            "PRAGMA journal_mode=WAL;"
            "CREATE TABLE meta(id INTEGER UNIQUE DEFAULT 0, db_inode INTEGER);"
            "INSERT INTO meta(db_inode) VALUES(0);"
            "CREATE TABLE stats(inode INTEGER PRIMARY KEY, stat BLOB);"
            "CREATE TABLE paths(path BLOB PRIMARY KEY, inode INTEGER REFERENCES stats(inode));"
            "CREATE INDEX inode_to_path ON paths(inode, path); PRAGMA user_version=3;")
        inodes = {}
        for path, (mode, uid, gid, rdev, contents) in TREE.items():
            place = data + path
            if isinstance(contents, str):
                os.link(data + contents, place)
                inodes[path] = inodes[contents]
            elif contents is None:
                os.makedirs(place, exist_ok=True)
                os.chmod(place, 0o777)
            else:
                with open(place, "wb") as file:
                    file.write(contents)
                os.chmod(place, 0o666)
            if path not in inodes:
                inodes[path] = len(inodes) + 100
                db.execute("INSERT INTO stats VALUES(?,?)",
                           (inodes[path], struct.pack("<4I", mode, uid, gid, rdev)))
            db.execute("INSERT INTO paths VALUES(?,?)", (path.encode(), inodes[path]))
        db.execute("INSERT INTO stats VALUES(9999,?)", (struct.pack("<4I", 0o100644, 0, 0, 0),))
        db.execute("INSERT INTO paths VALUES(?,9999)", (b"/lost",))
        db.execute("INSERT INTO paths VALUES(?,9999)", (b"/../outside",))
        db.commit()
        db.close()

    def export(self):
        out = os.path.join(self.dir, "out.tar")
        done = tool("unfakefsify", self.root, out)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = {}
        with tarfile.open(out) as tar:
            for info in tar:
                found["/" + info.name.strip("./") if info.name.strip("./") else ""] = info
            return found, {name: tar.extractfile(info).read()
                           for name, info in found.items() if info.isreg()}

    def check(self):
        found, contents = self.export()
        self.assertEqual(sorted(found), sorted(TREE))
        for path, (mode, uid, gid, rdev, data) in TREE.items():
            info = found[path]
            if info.islnk():
                twin = "/" + info.linkname.strip("./")
                self.assertIn((path, twin), [("/bin/twin", "/bin/busybox"),
                                             ("/bin/busybox", "/bin/twin")])
                continue
            self.assertEqual((info.uid, info.gid), (uid, gid), path)
            if not stat.S_ISLNK(mode):
                self.assertEqual(oct(info.mode), oct(mode & 0o7777), path)
            if info.issym():
                self.assertEqual(info.linkname.encode(), data, path)
            elif info.isdev() and not info.isfifo():
                self.assertEqual((info.devmajor, info.devminor),
                                 (rdev >> 8 & 0xfff, rdev & 0xff | rdev >> 12 & 0xfff00), path)
            elif info.isreg() and isinstance(data, bytes):
                self.assertEqual(contents[path], data, path)
        self.assertTrue(os.path.islink(os.path.join(self.root, "data/bin/sh")))
        self.assertEqual(tool("fakefs-fsck", self.root).returncode, 0)

    def test_convert(self):
        """everything stays, and the old database is kept"""
        before = sqlite3.connect(os.path.join(self.root, "meta.db"))
        rows = before.execute("SELECT count(*) FROM paths").fetchone()
        before.close()
        done = tool("fakefsify", self.root)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check()
        kept = sqlite3.connect(os.path.join(self.root, "meta.db.ish3"))
        self.assertEqual(kept.execute("PRAGMA user_version").fetchone(), (3,))
        self.assertEqual(kept.execute("SELECT count(*) FROM paths").fetchone(), rows)
        kept.close()

    def test_again(self):
        """a second conversion refuses, and changes nothing"""
        self.assertEqual(tool("fakefsify", self.root).returncode, 0)
        done = tool("fakefsify", self.root)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"not of iSH's format", done.stderr)
        self.check()

    def test_interrupted(self):
        """what an interrupted conversion left is finished"""
        os.remove(os.path.join(self.root, "data/bin/sh"))
        os.symlink("/bin/busybox", os.path.join(self.root, "data/bin/sh"))
        os.symlink("x", os.path.join(self.root, "data/etc/.ish-symlink"))
        with open(os.path.join(self.root, "meta.db.new"), "wb") as half:
            half.write(b"half a database")
        done = tool("fakefsify", self.root)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check()

    def test_damaged(self):
        """a database that is none is refused, and kept as it is"""
        path = os.path.join(self.root, "meta.db")
        with open(path, "wb") as file:
            file.write(b"no database at all" * 100)
        done = tool("fakefsify", self.root)
        self.assertEqual(done.returncode, 1)
        with open(path, "rb") as file:
            self.assertEqual(file.read(), b"no database at all" * 100)

    def test_outside(self):
        """a symlink among the files leads the conversion nowhere else"""
        outside = os.path.join(self.dir, "outside")
        os.mkdir(outside)
        with open(os.path.join(outside, "shadow"), "wb") as file:
            file.write(b"/target")
        os.chmod(os.path.join(outside, "shadow"), 0o644)
        shutil.rmtree(os.path.join(self.root, "data/etc"))
        os.symlink(outside, os.path.join(self.root, "data/etc"))
        done = tool("fakefsify", self.root)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(outside, "shadow")).st_mode), 0o644)


if __name__ == "__main__":
    unittest.main()
