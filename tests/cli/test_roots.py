"""fakefsify, unfakefsify and fakefs-fsck: what goes in comes out, and nothing else gets anywhere."""
import io
import lzma
import gzip
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import tempfile
import time
import unittest

BUILD = os.environ["ISH_BUILD"]


def tool(name, *args, **options):
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([os.path.join(BUILD, name), *map(str, args)], **options)


def entry(name, kind=tarfile.REGTYPE, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(data)
    info.mtime = 1700000000
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def make_tar(entries, wrap=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return wrap(out.getvalue()) if wrap else out.getvalue()


def sample():
    """One of everything a root may hold."""
    big = random.Random(7).randbytes(300000)
    return [
        entry("./", tarfile.DIRTYPE, mode=0o755),
        entry("bin", tarfile.DIRTYPE, mode=0o755),
        entry("bin/su", data=b"set-uid", mode=0o4755),
        entry("bin/owned", data=b"owned", uid=1000, gid=50, mode=0o640),
        entry("bin/same", tarfile.LNKTYPE, linkname="bin/owned", uid=1000, gid=50, mode=0o640),
        entry("bin/hidden", data=b"no rights", mode=0),
        entry("dev", tarfile.DIRTYPE),
        entry("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        entry("dev/disk", tarfile.BLKTYPE, devmajor=259, devminor=70000, mode=0o660, gid=6),
        entry("dev/pipe", tarfile.FIFOTYPE, mode=0o600),
        entry("etc", tarfile.DIRTYPE, mode=0o700, uid=3, gid=4),
        entry("etc/link", tarfile.SYMTYPE, linkname="../bin/su", mode=0o777),
        entry("etc/dangling", tarfile.SYMTYPE, linkname="/no/where", uid=8, mode=0o777),
        entry("etc/attr", data=b"x", pax_headers={"SCHILY.xattr.user.note": "text",
                                                  "SCHILY.xattr.trusted.t": "1"}),
        entry("tmp", tarfile.DIRTYPE, mode=0o1777),
        entry("n\u00e4me \u2603", data=b"unicode"),
        entry("l" * 200, tarfile.DIRTYPE),
        entry("l" * 200 + "/" + "m" * 200, data=b"long"),
        entry("big", data=big),
        entry("old", data=b"", mtime=1.5),
        entry("nano", data=b"", pax_headers={"mtime": "1700000001.123456789"}),
    ]


def listing(tar_bytes):
    """What an archive says, in a form that compares."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(tar_bytes)) as tar:
        for info in tar:
            name = info.name.strip("/") or "."
            kind = tarfile.REGTYPE if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) else info.type
            data = tar.extractfile(info).read() if info.isreg() else b""
            extra = {k: v for k, v in info.pax_headers.items() if "xattr" in k and "SCHILY" in k}
            link = info.linkname.lstrip("/") if info.islnk() else info.linkname
            found[name] = (kind, info.mode & 0o7777, info.uid, info.gid, info.mtime, link, data,
                           info.devmajor, info.devminor, tuple(sorted(extra.items())))
    return found


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ish-roots-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as out:
            out.write(data)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as data:
            return data.read()

    def bring_in(self, data, name="root"):
        done = tool("fakefsify", self.write("in.tar", data), self.path(name))
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.path(name)

    def take_out(self, root, name="out.tar"):
        done = tool("unfakefsify", root, self.path(name))
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.read(name)


class RoundTrip(Case):
    def test_everything_comes_back(self):
        """an archive comes out of a root as it went in"""
        data = make_tar(sample())
        want, got = listing(data), listing(self.take_out(self.bring_in(data)))
        self.assertEqual(set(want), set(got))
        for name in want:
            self.assertEqual(want[name], got[name], name)

    def test_fixed_point(self):
        """export of an import is the same bytes, for every compression"""
        first = self.take_out(self.bring_in(make_tar(sample())))
        for kind in ("tar", "tar.gz", "tar.xz", "tar.zst"):
            one = self.take_out(self.path("root"), "one." + kind)
            self.assertEqual(one, self.take_out(self.path("root"), "two." + kind), kind)
            root = self.path("again-" + kind)
            done = tool("fakefsify", self.path("one." + kind), root)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(first, self.take_out(root, "three.tar"), kind)

    def test_pipes(self):
        """- is standard input and output"""
        data = make_tar(sample())
        done = tool("fakefsify", "-", self.path("root"), input=gzip.compress(data))
        self.assertEqual(done.returncode, 0, done.stderr)
        done = tool("unfakefsify", self.path("root"), "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, self.take_out(self.path("root")))

    def test_holes(self):
        """holes stay holes"""
        with open(self.path("sparse"), "wb") as out:
            out.truncate(64 << 20)
            out.seek(30 << 20)
            out.write(b"island")
        subprocess.run(["bsdtar", "-cf", self.path("in.tar"), "--format", "pax", "-C", self.dir,
                        "sparse"], check=True)
        done = tool("fakefsify", self.path("in.tar"), self.path("root"))
        self.assertEqual(done.returncode, 0, done.stderr)
        out = self.take_out(self.path("root"))
        self.assertLess(len(out), 1 << 20)
        self.bring_in(out, "again")
        inside = os.path.join(self.path("again"), "data", "sparse")
        self.assertLess(os.stat(inside).st_blocks * 512, 1 << 20)
        with open(inside, "rb") as data, open(self.path("sparse"), "rb") as want:
            self.assertEqual(data.read(), want.read())

    def test_later_entries_win(self):
        """a second entry of a name replaces the first"""
        root = self.bring_in(make_tar([
            entry("d", tarfile.DIRTYPE, mode=0o700), entry("f", data=b"first", uid=5),
            entry("x", tarfile.SYMTYPE, linkname="f"), entry("f", data=b"second", uid=6),
            entry("x", data=b"file"), entry("d", tarfile.DIRTYPE, mode=0o711)]))
        got = listing(self.take_out(root))
        self.assertEqual((got["f"][6], got["f"][2]), (b"second", 6))
        self.assertEqual((got["x"][0], got["x"][6]), (tarfile.REGTYPE, b"file"))
        self.assertEqual(got["d"][1], 0o711)

    def test_unprivileged(self):
        """a user without rights on the host keeps every owner"""
        if os.geteuid() != 0:
            return
        data = make_tar(sample())
        self.write("in.tar", data)
        os.chmod(self.dir, 0o777)
        for name in ("fakefsify", "unfakefsify"):  # the build may lie where nobody else can go
            shutil.copy(os.path.join(BUILD, name), self.dir)
        command = "./fakefsify in.tar root && ./unfakefsify root out.tar"
        done = subprocess.run(["sh", "-c", command], cwd=self.dir, user=65534, group=65534,
                              extra_groups=[], stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.read("out.tar"), self.take_out(self.bring_in(data, "as-root"), "r.tar"))


class Escapes(Case):
    """Whatever the archive says, nothing happens outside the root."""

    def refused(self, entries, word):
        canary = self.write("canary", b"untouched")
        before = sorted(os.listdir(self.dir))
        done = tool("fakefsify", "-", self.path("root"), input=make_tar(entries))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(word, done.stderr.decode())
        self.assertEqual(len(done.stderr.splitlines()), 1, "one clear sentence")
        self.assertEqual(sorted(os.listdir(self.dir)), before, "nothing is left")
        with open(canary, "rb") as data:
            self.assertEqual(data.read(), b"untouched")

    def test_dotdot(self):
        """.. is refused"""
        self.refused([entry("../canary", data=b"evil")], "leads out")

    def test_dotdot_inside(self):
        """.. in the middle is refused"""
        self.refused([entry("a", tarfile.DIRTYPE), entry("a/../../canary", data=b"evil")],
                     "leads out")

    def test_through_symlink(self):
        """no entry goes through a symlink"""
        self.refused([entry("out", tarfile.SYMTYPE, linkname=".."),
                      entry("out/canary", data=b"evil")], "symlink")

    def test_through_absolute_symlink(self):
        """nor through an absolute one"""
        self.refused([entry("out", tarfile.SYMTYPE, linkname=self.dir),
                      entry("out/canary", data=b"evil")], "symlink")

    def test_through_replaced_directory(self):
        """nor through one that takes the place of a directory"""
        self.refused([entry("d", tarfile.DIRTYPE), entry("d/e", data=b""),
                      entry("d", tarfile.SYMTYPE, linkname=self.dir),
                      entry("d/canary", data=b"evil")], "d:")

    def test_hard_link_out(self):
        """a hard link cannot name a file outside"""
        self.refused([entry("in", tarfile.LNKTYPE, linkname="../canary")], "leads out")

    def test_hard_link_through_symlink(self):
        """nor reach one through a symlink"""
        self.refused([entry("s", tarfile.SYMTYPE, linkname=".."),
                      entry("in", tarfile.LNKTYPE, linkname="s/canary")], "hard link")

    def test_absolute(self):
        """an absolute name is one inside the root"""
        target = self.path("absolute")
        root = self.bring_in(make_tar([entry(target, data=b"inside"),
                                       entry("link", tarfile.LNKTYPE, linkname=target)]))
        self.assertFalse(os.path.exists(target))
        self.assertEqual(listing(self.take_out(root))["link"][6] or
                         listing(self.take_out(root))[target.strip("/")][6], b"inside")

    def test_symlink_as_hard_link_target(self):
        """a hard link to a symlink is one to the symlink itself"""
        self.write("canary", b"untouched")
        root = self.bring_in(make_tar([
            entry("s", tarfile.SYMTYPE, linkname=self.path("canary")),
            entry("h", tarfile.LNKTYPE, linkname="s")]))
        self.assertTrue(os.path.islink(os.path.join(root, "data", "h")))

    def test_store_names(self):
        """names of the store's own files mean nothing special inside"""
        root = self.bring_in(make_tar([entry("meta.db", data=b"mine"), entry("lock", data=b""),
                                       entry("data", tarfile.DIRTYPE)]))
        self.assertEqual(listing(self.take_out(root))["meta.db"][6], b"mine")


class Damage(Case):
    def left_nothing(self, done, name="root"):
        self.assertNotEqual(done.returncode, 0)
        self.assertGreater(done.returncode, 0, "a crash")
        self.assertTrue(done.stderr.strip(), "says why")
        self.assertFalse(os.path.exists(self.path(name)))
        self.assertFalse(os.path.exists(self.path(name + ".partial")))

    def test_truncated(self):
        """a truncated archive is refused, wherever it is cut"""
        data = make_tar(sample())
        for wrap in (bytes, gzip.compress, lzma.compress):
            whole = wrap(data)
            for part in (0.02, 0.3, 0.5, 0.9):
                cut = whole[:int(len(whole) * part) // 7 * 7 + 3]
                self.left_nothing(tool("fakefsify", "-", self.path("root"), input=cut))

    def test_noise(self):
        """noise is refused"""
        self.left_nothing(tool("fakefsify", "-", self.path("root"), input=os.urandom(100000)))
        self.left_nothing(tool("fakefsify", "-", self.path("root"), input=b""))

    def test_flipped_bytes(self):
        """flipped bytes never crash the importer"""
        source = random.Random(11)
        data = make_tar(sample())
        for round in range(60):
            broken = bytearray(data)
            for _ in range(source.randrange(1, 20)):
                broken[source.randrange(len(broken))] = source.randrange(256)
            root = self.path("root")
            done = tool("fakefsify", "-", root, input=bytes(broken))
            self.assertIn(done.returncode, (0, 1), "round %d: %r" % (round, done.stderr[-300:]))
            if done.returncode:
                self.left_nothing(done)
            else:
                shutil.rmtree(root)

    def test_missing(self):
        """what does not exist is named"""
        done = tool("fakefsify", self.path("no.tar"), self.path("root"))
        self.left_nothing(done)
        self.assertIn("no.tar", done.stderr.decode())
        done = tool("unfakefsify", self.path("no-root"), self.path("out.tar"))
        self.assertEqual(done.returncode, 1)
        self.assertFalse(os.path.exists(self.path("out.tar")))
        self.assertFalse(os.path.exists(self.path("out.tar.partial")))

    def test_not_over_something(self):
        """a root is not made over anything"""
        os.mkdir(self.path("root"))
        self.write("root/precious", b"data")
        done = tool("fakefsify", "-", self.path("root"), input=make_tar(sample()))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(os.listdir(self.path("root")), ["precious"])

    def test_into_empty_folder(self):
        """an empty folder will do"""
        os.mkdir(self.path("root"))
        self.bring_in(make_tar(sample()))

    def test_cancel(self):
        """an interrupted import leaves nothing"""
        for number in (signal.SIGINT, signal.SIGTERM):
            child = subprocess.Popen([os.path.join(BUILD, "fakefsify"), "-", self.path("root")],
                                     stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            data = make_tar(sample())
            child.stdin.write(data[:200000])
            child.stdin.flush()
            while not os.path.exists(self.path("root.partial")):
                time.sleep(0.01)
            child.send_signal(number)
            try:
                child.stdin.write(data[200000:])
                child.stdin.close()
            except BrokenPipeError:
                pass
            child.stdin = None
            child.communicate()
            self.assertEqual(child.returncode, -number)
            self.assertFalse(os.path.exists(self.path("root.partial")))
            self.assertFalse(os.path.exists(self.path("root")))

    def test_after_a_kill(self):
        """what a killed import left is no obstacle"""
        os.makedirs(self.path("root.partial/data/" + "/".join("d" * 150)))
        self.bring_in(make_tar(sample()))
        self.assertFalse(os.path.exists(self.path("root.partial")))

    def test_usage(self):
        """unknown options and missing operands are usage errors"""
        for name in ("fakefsify", "unfakefsify", "fakefs-fsck"):
            for args in (["--nonsense", "a", "b"], [], ["a", "b", "c"]):
                done = tool(name, *args)
                self.assertEqual(done.returncode, 2, (name, args))
                self.assertIn(b"usage:", done.stderr)
                self.assertEqual(done.stdout, b"")
            done = tool(name, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn(b"usage:", done.stdout)


class Manual(unittest.TestCase):
    def test_options(self):
        """the manuals of the tools name the options that --help shows, and no others"""
        docs = os.path.join(os.path.dirname(__file__), "..", "..", "docs")
        for name in ("fakefsify", "unfakefsify", "fakefs-fsck"):
            with open(os.path.join(docs, name + ".1")) as file:
                manual = file.read()
            text = tool(name, "--help").stdout.decode()
            self.assertEqual(set(re.findall(r"Fl -([a-z]+)", manual)),
                             set(re.findall(r"--([a-z]+)", text)), name)


class Check(Case):
    def fsck(self, *args):
        done = tool("fakefs-fsck", *args)
        return done.returncode, done.stdout.decode()

    def change(self, root, sql):
        with sqlite3.connect(os.path.join(root, "meta.db")) as db:
            db.execute(sql)
        db.close()

    def test_clean(self):
        """a fresh root is clean"""
        status, out = self.fsck(self.bring_in(make_tar(sample())))
        self.assertEqual(status, 0, out)
        self.assertIn("0 problems repaired, 0 left", out)

    def test_other_generation(self):
        """a record of another object is found, set aside, and given back by name"""
        root = self.bring_in(make_tar(sample()))
        before = self.take_out(root)
        self.change(root, "UPDATE inode SET gen=gen-1 WHERE uid=1000")
        status, out = self.fsck(root)
        self.assertEqual(status, 4, out)
        self.assertIn("1000:50", out)
        status, out = self.fsck("--repair", root)
        self.assertEqual(status, 1, out)
        status, out = self.fsck("--repair", root)
        self.assertEqual(status, 1, out)
        self.assertIn("set aside", out)
        self.assertEqual(self.fsck(root)[0], 0)
        self.assertEqual(self.take_out(root), before)

    def test_wrong_hint(self):
        """a record that a copy would lose is found and repaired"""
        root = self.bring_in(make_tar(sample()))
        self.change(root, "UPDATE inode SET hint='no/such' WHERE uid=1000")
        self.assertEqual(self.fsck(root)[0], 4)
        self.assertEqual(self.fsck("--repair", root)[0], 1)
        self.assertEqual(self.fsck(root)[0], 0)
        before = self.take_out(root)
        subprocess.run(["cp", "-a", root, self.path("copy")], check=True)
        self.assertEqual(self.take_out(self.path("copy")), before)

    def test_impossible_kind(self):
        """a record no object of its kind can have is found"""
        root = self.bring_in(make_tar(sample()))
        self.change(root, "UPDATE inode SET mode=0x41ed WHERE uid=1000")
        status, out = self.fsck(root)
        self.assertEqual(status, 4, out)
        self.assertEqual(self.fsck("--repair", root)[0], 1)

    def test_damaged(self):
        """a damaged database is an error, not a crash"""
        root = self.bring_in(make_tar(sample()))
        with open(os.path.join(root, "meta.db"), "r+b") as db:
            db.seek(0)
            db.write(os.urandom(8192))
        for args in ([root], ["--repair", root]):
            status, out = self.fsck(*args)
            self.assertEqual(status, 4)
            self.assertIn("meta.db", out)
        done = tool("unfakefsify", root, self.path("out.tar"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"fakefs-fsck", done.stderr)

    def test_host_files_added(self):
        """files that a user of the host adds belong to root"""
        root = self.bring_in(make_tar(sample()))
        self.write("root/data/added", b"by hand")
        self.assertEqual(self.fsck(root)[0], 0)
        self.assertEqual(listing(self.take_out(root))["added"][2:4], (0, 0))


if __name__ == "__main__":
    unittest.main()
