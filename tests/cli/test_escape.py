"""Nothing outside of a root is reached: by guests that try, by archives, by container images.

A canary stands outside. The host's kernel tells of every call that opens, reads, changes or moves
it, or anything beside it (inotify), and there must be none; strace, where it is there, shows that
the host is asked for one name at a time and follows nothing."""
import ctypes
import io
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tarfile
import tempfile
import unittest

from test_images import Layout, entry, hard, link, make_tar, simple

BUILD = os.environ["ISH_BUILD"]
GUEST = os.environ["GUEST_ESCAPE"]
SECONDS = os.environ.get("ESCAPE_SECONDS", "3")
MARK = "canary, alive"
ALL_EVENTS = 0xfff


def whole_calls(lines):
    """strace's lines, with those put together that another thread's call came between."""
    begun = {}
    for line in lines:
        thread = line.split(" ", 1)[0]
        resumed = re.match(r"\d+ +<\.\.\. \w+ resumed>(.*)", line)
        if line.endswith(" <unfinished ...>\n"):
            begun[thread] = line[:-len(" <unfinished ...>\n")]
        else:
            yield begun.pop(thread, "") + resumed.group(1) + "\n" if resumed else line


class Trace:
    """What the host's kernel saw happen to some files and directories."""

    def __init__(self, *paths):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self.fd >= 0
        for path in paths:
            assert self.libc.inotify_add_watch(self.fd, path.encode(), ALL_EVENTS) >= 0

    def events(self):
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return []
        found, at = [], 0
        while at < len(data):
            _, mask, _, size = struct.unpack_from("iIII", data, at)
            name = data[at + 16:at + 16 + size].rstrip(b"\0").decode(errors="replace")
            found.append((hex(mask), name))
            at += 16 + size
        return found

    def close(self):
        os.close(self.fd)


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ish-escape-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.outside = self.path("outside")
        os.mkdir(self.outside)
        self.canary = os.path.join(self.outside, "canary")
        with open(self.canary, "w") as out:
            out.write(MARK)
        os.mkfifo(os.path.join(self.outside, "pipe"))
        self.server = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.server.close)
        self.server.bind(os.path.join(self.outside, "socket"))
        self.server.listen()
        self.server.setblocking(False)
        self.before = self.state()
        self.trace = Trace(self.canary, self.outside)
        self.addCleanup(self.trace.close)

    def path(self, *name):
        return os.path.join(self.dir, *name)

    def state(self):
        st = os.stat(self.canary)
        return (sorted(os.listdir(self.outside)), st.st_mode, st.st_size, st.st_nlink, st.st_mtime_ns,
                st.st_ctime_ns, st.st_uid)

    def untouched(self, said=""):
        self.assertEqual(self.trace.events(), [], said)
        self.assertRaises(BlockingIOError, self.server.accept)
        self.assertEqual(self.state(), self.before, said)
        self.trace.events()  # of looking

    def tool(self, name, *args, **options):
        return subprocess.run([os.path.join(BUILD, name), *map(str, args)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **options)

    def make_root(self):
        with open(GUEST, "rb") as program:
            data = make_tar([entry(n) for n in ("bin", "dev", "proc", "sys", "tmp", "e")] +
                            [entry("bin/program", program.read(), mode=0o755)])
        done = self.tool("fakefsify", "-", self.path("root"), input=data)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.path("root")

    def try_guest(self, *options, before=(), seconds=SECONDS):
        # Who looks for leaks at the end of a sanitizer's build cannot be traced.
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0") if before else None
        done = subprocess.run([*before, os.path.join(BUILD, "ish"), *options, "/bin/program",
                               self.canary, MARK, seconds], stdout=subprocess.PIPE, env=env,
                              stderr=subprocess.PIPE, cwd=self.outside)
        text = done.stdout.decode(errors="replace")
        failed = re.findall("^not ok.*", text, re.M)
        self.assertEqual((failed, done.returncode), ([], 0), text[-3000:] + done.stderr.decode())
        self.assertGreaterEqual(len(re.findall("^ok ", text, re.M)), 60)
        return text


class Guests(Case):
    def setUp(self):
        super().setUp()
        self.root = self.make_root()

    def test_trace_sees(self):
        """the trace notices who reads the canary, and who makes something beside it"""
        with open(self.canary) as canary:
            canary.read()
        self.assertTrue(self.trace.events())
        os.mkdir(os.path.join(self.outside, "made"))
        self.assertTrue(self.trace.events())

    def test_fakefs(self):
        """64 ways out of a root reach nothing"""
        self.untouched(self.try_guest("-f", self.root))

    def test_hostfs(self):
        """64 ways out of a host folder as root reach nothing"""
        self.untouched(self.try_guest("-r", os.path.join(self.root, "data")))

    def test_bind(self):
        """64 ways out of a bound folder reach nothing"""
        os.mkdir(self.path("bound"))
        self.untouched(self.try_guest("-f", self.root, "-b", self.path("bound") + ":/e"))

    def test_links_of_the_host(self):
        """links that were in a bound folder before lead nowhere outside either"""
        bound = self.path("bound")
        os.makedirs(os.path.join(bound, "s/s"))
        for name, target in (("direct", self.canary), ("a", self.outside), ("b", "../outside"),
                             ("race", self.outside)):
            os.symlink(target, os.path.join(bound, name))
        done = subprocess.run([os.path.join(BUILD, "ish"), "-f", self.root, "-b", bound + ":/e:ro",
                               "/bin/program", self.canary, MARK, "0.1"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        text = done.stdout.decode()
        self.assertIn("ok 60", text)
        self.assertNotIn("reached", text)
        self.untouched(text)

    @unittest.skipUnless(shutil.which("strace"), "no strace")
    def test_host_calls(self):
        """the host is asked for one name in one directory at a time, following nothing"""
        log = self.path("strace")
        probe = subprocess.run(["strace", "-f", "-e", "trace=file", "-o", log, "true"],
                               stderr=subprocess.DEVNULL)
        if probe.returncode:
            self.skipTest("strace may not trace")
        self.try_guest("-f", self.root, seconds="1",
                       before=("strace", "-f", "-s", "8192", "-e", "trace=file", "-o", log))
        seen = 0
        with open(log) as lines:
            for line in whole_calls(lines):
                call = re.match(r"(?:\d+ +)?(\w+)\((.*)", line)
                if not call or call.group(1) in ("execve", "getcwd"):
                    continue
                name, rest = call.groups()
                # What follows a directory's number is a name in it; the texts of symlinks are no
                # names.
                if name == "symlinkat":
                    rest = rest[rest.rindex(", ", 0, rest.rindex(", ")) + 2:]
                elif name in ("readlink", "readlinkat"):
                    rest = rest.split('", ')[0] + '"'
                self.assertNotIn(self.outside, rest, line)
                for at in re.finditer(r'(?:^|, )(\d+), "([^"]*)"', rest):
                    seen += 1
                    self.assertNotIn("/", at.group(2), line)
                    self.assertNotEqual("..", at.group(2), line)
                    if name in ("openat", "openat2") and at.group(2) != ".":
                        self.assertIn("O_NOFOLLOW", rest, line)
                    if name in ("newfstatat", "utimensat", "fchownat"):
                        self.assertRegex(rest, 'AT_SYMLINK_NOFOLLOW|""', line)
        self.assertGreater(seen, 1000)
        self.untouched()


class Archives(Case):
    def cases(self):
        """Entries that try to leave, by what they try."""
        to, up = self.canary, "../../../../../../.." + self.canary
        directory = self.outside
        return {
            "absolute name": [entry(to, b"dead")],
            "up": [entry(up, b"dead")],
            "up in the middle": [entry("a/../../../../../../.." + to, b"dead")],
            "up behind dots": [entry("./." + up[2:], b"dead"), entry("./../" + up, b"dead")],
            "symlink, then a file of its name": [link("x", to), entry("x", b"dead")],
            "symlink, then a file through it": [link("x", directory), entry("x/canary", b"dead")],
            "symlink up, then a file through it": [link("x", "../../../../../.." + directory),
                                                   entry("x/canary", b"dead")],
            "symlinks in a chain": [link("x", "y"), link("y", directory), entry("x/made", b"dead")],
            "symlink, then a directory through it": [link("x", directory), entry("x/made")],
            "symlink, then a device through it": [
                link("x", directory), entry("x/made", kind=tarfile.FIFOTYPE)],
            "symlink, then attributes of it": [
                link("x", to), link("x", to, uid=5),
                entry("x", b"", mode=0o4777, pax_headers={"SCHILY.xattr.user.a": "1"})],
            "hard link out": [hard("x", to)],
            "hard link up": [hard("x", up)],
            "hard link to a symlink": [link("x", to), hard("y", "x"), entry("y", b"dead")],
            "hard link through a symlink": [link("x", directory), hard("y", "x/canary")],
            "directory that becomes a symlink": [entry("d"), link("d", directory),
                                                 entry("d/canary", b"dead")],
            "name from a pax header": [entry("x", b"dead", pax_headers={"path": up})],
            "link from a pax header": [entry("x", kind=tarfile.LNKTYPE, linkname="y",
                                             pax_headers={"linkpath": to})],
            "symlink as the root": [link("./", directory), entry("canary", b"dead")],
            "long name": [entry("../" * 1200 + to, b"dead")],
        }

    def test_archives(self):
        """20 archives that try to leave touch nothing outside"""
        cases = self.cases()
        self.assertGreaterEqual(len(cases), 20)
        for what, entries in cases.items():
            with self.subTest(what):
                root = self.path("root")
                done = self.tool("fakefsify", "-", root, input=make_tar(entries))
                self.assertIn(done.returncode, (0, 1), done)
                if done.returncode == 0:
                    self.tool("fakefs-fsck", root)
                    self.tool("unfakefsify", root, self.path("out.tar"))
                    self.tool("fakefs", "cp", root + ":/", self.path("copied"))
                    self.tool("fakefs", "cp", root + ":/.", self.path("copied"))
                self.untouched(what)
                for left in ("root", "copied"):
                    shutil.rmtree(self.path(left), ignore_errors=True)

    def test_layers(self):
        """the same in a layer of a container image, over a layer with links out"""
        below = [link("out", self.outside), link("up", "../../../../.." + self.outside),
                 link("canary", self.canary), entry("d")]
        cases = dict(self.cases(), **{
            "mark for outside": [entry("../../../../.wh.canary", b"")],
            "mark through a symlink": [entry("out/.wh.canary", b"")],
            "everything through a symlink": [entry("up/.wh..wh..opq", b"")],
            "mark with a name that goes up": [entry("d/.wh...", b"")],
            "file through a symlink below": [entry("out/canary", b"dead")],
            "directory over a symlink below": [entry("out"), entry("out/canary", b"dead")],
            "file over a symlink below": [entry("canary", b"dead")],
            "hard link to a symlink below": [hard("x", "canary"), entry("x", b"dead")],
        })
        for what, entries in cases.items():
            with self.subTest(what):
                with open(self.path("image.tar"), "wb") as out:
                    out.write(simple([below, entries]).tar())
                done = self.tool("fakefsify", self.path("image.tar"), self.path("root"))
                self.assertIn(done.returncode, (0, 1), done)
                self.untouched(what)
                shutil.rmtree(self.path("root"), ignore_errors=True)

    def test_descriptions(self):
        """names in an image's description reach nothing outside"""
        for name in (self.canary, "../../../../../.." + self.canary, "x", "y/canary"):
            for place in ("Config", "Layers"):
                about = {"Config": "config.json", "RepoTags": ["a:b"], "Layers": ["l.tar"]}
                about[place] = [name] if place == "Layers" else name
                parts = [entry("config.json", b"{}"), link("x", self.canary),
                         link("y", self.outside),
                         entry("manifest.json", json.dumps([about]).encode())]
                done = self.tool("fakefsify", "-", self.path("root"), input=make_tar(parts))
                self.assertEqual(done.returncode, 1, done)
                with tarfile.open(fileobj=io.BytesIO(make_tar(parts))) as tar:
                    tar.extractall(self.path("folder"))
                done = self.tool("fakefsify", self.path("folder"), self.path("root"))
                self.assertEqual(done.returncode, 1, done)
                shutil.rmtree(self.path("folder"))
        layout = Layout()
        layout.files["index.json"] = json.dumps({"manifests": [
            {"digest": "sha256:" + "../" * 20 + self.canary[1:]}]}).encode()
        self.assertEqual(self.tool("fakefsify", "-", self.path("root"),
                                   input=layout.tar()).returncode, 1)
        self.untouched()


if __name__ == "__main__":
    unittest.main()
