"""fakefs: listing, showing and copying files of a root that is not running."""
import io
import os
import shutil
import signal
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
    info.type, info.size, info.mtime = kind, len(data), 1700000000
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


THINGS = [
    entry("d", tarfile.DIRTYPE, mode=0o2750, uid=3, gid=4),
    entry("d/file", data=b"text", uid=1000, gid=50, mode=0o640,
          pax_headers={"SCHILY.xattr.user.note": "n", "SCHILY.xattr.trusted.t": "1"}),
    entry("d/same", tarfile.LNKTYPE, linkname="d/file"),
    entry("d/su", data=b"set-uid", mode=0o4755),
    entry("d/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
    entry("d/pipe", tarfile.FIFOTYPE, mode=0o600),
    entry("d/link", tarfile.SYMTYPE, linkname="/d/file", uid=8),
    entry("d/away", tarfile.SYMTYPE, linkname="/etc/passwd"),
    entry("empty", tarfile.DIRTYPE),
]


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ish-files-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.root = self.make("root", THINGS)

    def path(self, *name):
        return os.path.join(self.dir, *name)

    def make(self, name, entries):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for info, data in entries:
                tar.addfile(info, io.BytesIO(data))
        done = tool("fakefsify", "-", self.path(name), input=out.getvalue())
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.path(name)

    def write(self, name, data=b"data"):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as out:
            out.write(data)
        return self.path(name)

    def run_tool(self, *args, status=0):
        done = tool("fakefs", *args)
        self.assertEqual(done.returncode, status, done)
        self.said = done.stderr.decode()
        return done.stdout.decode()

    def members(self, root=None):
        out = tool("unfakefsify", root or self.root, "-")
        self.assertEqual(out.returncode, 0, out.stderr)
        found = {}
        with tarfile.open(fileobj=io.BytesIO(out.stdout)) as tar:
            for info in tar:
                extra = {k: v for k, v in info.pax_headers.items() if k.startswith("SCHILY.xattr")}
                data = tar.extractfile(info).read() if info.isreg() else b""
                found[info.name.strip("/")] = (info.type, info.mode, info.uid, info.gid, info.mtime,
                                               info.linkname, data, info.devmajor, info.devminor,
                                               tuple(sorted(extra.items())))
        return found

    def below(self, name, root=None):
        """What is under one name, by names relative to it."""
        members = self.members(root)
        return {k[len(name):]: v[:5] + (v[5].replace(name, "", 1) if v[0] == tarfile.LNKTYPE
                                        else v[5],) + v[6:]
                for k, v in members.items() if k == name or k.startswith(name + "/")}


class Looking(Case):
    def test_ls(self):
        """ls gives the names of a directory in order, or the one thing that is named"""
        self.assertEqual(self.run_tool("ls", self.root + ":").split(), ["d", "empty"])
        self.assertEqual(self.run_tool("ls", self.root + ":/d").split(),
                         ["away", "file", "link", "null", "pipe", "same", "su"])
        self.assertEqual(self.run_tool("ls", self.root + ":/d/file"), "/d/file\n")
        self.assertEqual(self.run_tool("ls", self.root + ":/d/away"), "/d/away\n")
        self.assertEqual(self.run_tool("ls", self.root + ":/empty"), "")

    def test_ls_long(self):
        """ls --long gives modes, owners, sizes, devices, times and texts of links"""
        lines = self.run_tool("ls", "--long", self.root + ":/d").splitlines()
        words = {line.split(" -> ")[0].split()[-1]: line.split() for line in lines}
        self.assertEqual(words["file"], ["-rw-r-----", "2", "1000", "50", "4", "2023-11-14",
                                         "22:13:20", "file"])
        self.assertEqual(words["su"][0], "-rwsr-xr-x")
        self.assertEqual(words["null"][:6], ["crw-rw-rw-", "1", "0", "0", "1,", "3"])
        self.assertEqual(words["link"][-3:], ["link", "->", "/d/file"])

    def test_cat(self):
        """cat follows links inside the root and never out of it"""
        self.assertEqual(self.run_tool("cat", self.root + ":/d/file"), "text")
        self.assertEqual(self.run_tool("cat", self.root + ":/d/link"), "text")
        self.run_tool("cat", self.root + ":/d/away", status=1)
        self.assertIn("No such file", self.said)
        self.run_tool("cat", self.root + ":/../../../../../../etc/passwd", status=1)
        for name in ("/d", "/d/null", "/d/pipe"):
            self.run_tool("cat", self.root + ":" + name, status=1)

    def test_refusals(self):
        """what is no root, or is used by somebody, is refused"""
        self.run_tool("ls", self.dir + ":", status=1)
        self.run_tool("ls", self.path("none") + ":/", status=1)
        self.run_tool("ls", self.dir, status=1)
        self.run_tool("cp", self.path("root"), self.path("copy"), status=1)
        self.assertIn("ROOT:PATH", self.said)
        for wrong in (("ls",), ("cat",), ("cp", self.root + ":/d"), ("mv", "a", "b"), ("ls", "a", "b")):
            self.run_tool(*wrong, status=2)
        import fcntl
        with open(os.path.join(self.root, "lock"), "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.run_tool("ls", self.root + ":/", status=1)
            self.assertIn("use", self.said)
            self.run_tool("cp", self.write("f"), self.root + ":/", status=1)


class Copying(Case):
    def test_between_roots(self):
        """from root to root everything is kept"""
        other = self.make("other", [])
        self.run_tool("cp", self.root + ":/d", other + ":/")
        self.assertEqual(self.said, "")
        self.assertEqual(self.below("d", other), self.below("d"))
        self.assertEqual(tool("fakefs-fsck", other).returncode, 0)

    def test_inside_one_root(self):
        """inside one root too, under another name"""
        self.run_tool("cp", self.root + ":/d", self.root + ":/e")
        self.assertEqual(self.below("e"), self.below("d"))
        self.run_tool("cp", self.root + ":/d", self.root + ":/d/f", status=1)
        self.assertIn("into itself", self.said)

    def test_host_to_root(self):
        """from the host files become root's, with modes, times, attributes, links and holes"""
        self.write("src/a/one", b"1" * 100)
        os.link(self.path("src/a/one"), self.path("src/two"))
        os.symlink("/etc/passwd", self.path("src/link"))
        with open(self.path("src/sparse"), "wb") as out:
            out.truncate(1 << 26)
            out.seek(32 << 20)
            out.write(b"middle")
        os.setxattr(self.path("src/two"), "user.k", b"v")
        os.chmod(self.path("src/a/one"), 0o604)
        os.utime(self.path("src/a"), ns=(1, 1600000000123456789))
        self.run_tool("cp", self.path("src"), self.root + ":/empty")
        got = self.below("empty/src")
        self.assertEqual(got["/a/one"][1:4], (0o604, 0, 0))
        self.assertEqual(got["/two"][:6], (tarfile.LNKTYPE, 0o604, 0, 0, got["/a/one"][4], "/a/one"))
        self.assertIn(("SCHILY.xattr.user.k", "v"), got["/a/one"][9])
        self.assertEqual(got["/link"][5], "/etc/passwd")
        self.assertAlmostEqual(got["/a"][4], 1600000000.123456789, 6)
        self.assertEqual(len(got["/sparse"][6]), 1 << 26)
        data = os.path.join(self.root, "data/empty/src/sparse")
        self.assertLess(os.stat(data).st_blocks * 512, 1 << 20)

    def test_root_to_host(self):
        """to the host what has a place is kept, and the rest is counted"""
        self.run_tool("cp", self.root + ":/d", self.path("out"))
        self.assertIn("objects lost", self.said)
        self.assertEqual(sorted(os.listdir(self.path("out"))), ["away", "file", "link", "same", "su"])
        st = os.stat(self.path("out/file"))
        self.assertEqual((st.st_mode & 0o7777, st.st_nlink, st.st_mtime), (0o640, 2, 1700000000))
        self.assertEqual(os.stat(self.path("out/su")).st_mode & 0o7777, 0o755)
        self.assertEqual(os.getxattr(self.path("out/file"), "user.note"), b"n")
        self.assertEqual(os.readlink(self.path("out/away")), "/etc/passwd")

    def test_contents(self):
        """/. means what is in a directory, and merges"""
        self.write("src/file", b"new")
        self.write("src/more/x", b"x")
        self.run_tool("cp", self.path("src/."), self.root + ":/d")
        got = self.below("d")
        self.assertEqual((got["/file"][6], got["/more/x"][6], got["/su"][6]),
                         (b"new", b"x", b"set-uid"))
        self.assertEqual(got[""][1:4], (0o2750, 3, 4))
        self.run_tool("cp", self.root + ":/", self.path("all"))
        self.assertEqual(sorted(os.listdir(self.path("all"))), ["d", "empty"])

    def test_again(self):
        """a second copy changes nothing, hard links included"""
        for _ in range(2):
            self.run_tool("cp", self.root + ":/d/.", self.root + ":/empty")
        want = self.below("d")
        got = self.below("empty")
        self.assertEqual({k: v for k, v in got.items() if k}, {k: v for k, v in want.items() if k})

    def test_in_the_way(self):
        """a directory and a file do not replace each other"""
        self.write("src/file/x")
        self.run_tool("cp", self.path("src/."), self.root + ":/d", status=1)
        self.assertIn("Not a directory", self.said)
        self.write("empty")
        self.run_tool("cp", self.path("empty"), self.root + ":/", status=1)
        self.assertIn("Is a directory", self.said)
        self.assertEqual(self.below("d")["/file"][6], b"text")

    def test_several(self):
        """several things go into a directory"""
        self.run_tool("cp", self.write("a"), self.write("b"), self.root + ":/d/file",
                      self.root + ":/empty")
        self.assertEqual(sorted(self.below("empty")), ["", "/a", "/b", "/file"])

    def test_own_folder(self):
        """a folder that holds the root is not copied into it"""
        self.run_tool("cp", self.dir, self.root + ":/empty", status=1)
        self.assertIn("Permission denied", self.said)

    def test_escapes(self):
        """links in the target lead nowhere else"""
        self.write("canary", b"alive")
        root = self.make("trap", [
            entry("out", tarfile.SYMTYPE, linkname=self.dir),
            entry("up", tarfile.SYMTYPE, linkname="../../../../../.." + self.dir),
            entry("canary", tarfile.SYMTYPE, linkname=self.path("canary"))])
        evil = self.write("evil", b"dead")
        os.rename(evil, self.path("x"))
        shutil.copy(self.path("x"), self.write("src/canary", b"dead"))
        for target in ("/out/canary", "/up/canary", "/out/../canary", "/../../canary"):
            tool("fakefs", "cp", self.path("x"), root + ":" + target)
        tool("fakefs", "cp", self.path("src/."), root + ":/")
        with open(self.path("canary"), "rb") as canary:
            self.assertEqual(canary.read(), b"alive")
        self.assertEqual(self.run_tool("cat", root + ":/canary"), "dead")

    def test_cancel(self):
        """a copy that is cancelled leaves no part of a file"""
        with open(self.write("big"), "wb") as out:
            for _ in range(16):
                out.write(os.urandom(1 << 20) * 8)
        run = subprocess.Popen([os.path.join(BUILD, "fakefs"), "cp", self.path("big"),
                                self.root + ":/empty"], stderr=subprocess.PIPE)
        unfinished = os.path.join(self.root, "data/empty/.fakefs-cp.partial")
        while run.poll() is None and not os.path.exists(unfinished):
            time.sleep(0.001)
        run.send_signal(signal.SIGINT)
        self.assertIn(b"cancelled", run.communicate()[1])
        self.assertEqual(run.returncode, -signal.SIGINT)
        self.assertEqual(os.listdir(os.path.join(self.root, "data/empty")), [])
        self.assertEqual(tool("fakefs-fsck", self.root).returncode, 0)


if __name__ == "__main__":
    unittest.main()
