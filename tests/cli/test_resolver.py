"""/etc/resolv.conf of a guest: the host's at every start, unless the guest has one of its own."""
import io
import os
import subprocess
import tarfile
import tempfile
import unittest

BUILD = os.environ["ISH_BUILD"]
MARK = b"# written when the guest starts\n"
HOST = "/etc/resolv.conf"


def entry(tar, name, data=None, link=None):
    info = tarfile.TarInfo(name)
    info.type = tarfile.SYMTYPE if link else tarfile.DIRTYPE if data is None else tarfile.REGTYPE
    info.mode = 0o755 if data is None else 0o644
    info.linkname = link or ""
    info.size = len(data or b"")
    tar.addfile(info, io.BytesIO(data or b""))


@unittest.skipUnless(os.path.exists(HOST), "this host has no resolv.conf to hand over")
class Resolver(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ish-resolver-")
        self.addCleanup(self.folder.cleanup)
        with open(HOST, "rb") as file:
            self.written = MARK + file.read()

    def start(self, *files):
        """A root with these files, started once; what its /etc/resolv.conf is then, or None."""
        archive = os.path.join(self.folder.name, "root.tar")
        self.root = os.path.join(self.folder.name, "root")
        with tarfile.open(archive, "w") as tar:
            for file in files:
                entry(tar, *file)
        subprocess.run([os.path.join(BUILD, "fakefsify"), archive, self.root], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self.again()

    def again(self):
        # There is no program to run; what is handed over is handed over before.
        done = subprocess.run([os.path.join(BUILD, "ish"), "-f", self.root, "/none"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 127, done.stderr)
        path = os.path.join(self.root, "data/etc/resolv.conf")
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            return file.read()

    def put(self, data):
        with open(os.path.join(self.root, "data/etc/resolv.conf"), "wb") as file:
            file.write(data)

    def test_missing_is_made(self):
        self.assertEqual(self.start(("etc",)), self.written)

    def test_empty_is_filled(self):
        self.assertEqual(self.start(("etc",), ("etc/resolv.conf", b"")), self.written)

    def test_ours_is_renewed(self):
        old = MARK + b"nameserver 192.0.2.1\n" * 50
        self.assertEqual(self.start(("etc",), ("etc/resolv.conf", old)), self.written)
        self.put(MARK)
        self.assertEqual(self.again(), self.written)

    def test_the_guests_own_stays(self):
        own = b"nameserver 192.0.2.7\n"
        self.assertEqual(self.start(("etc",), ("etc/resolv.conf", own)), own)
        own = b"# written by me\n" + MARK
        self.put(own)
        self.assertEqual(self.again(), own)

    def test_nothing_to_write_to(self):
        self.assertIsNone(self.start(("home",)))

    def test_a_link_is_followed_inside_the_guest(self):
        self.start(("etc",), ("run",), ("etc/resolv.conf", None, "../run/resolv.conf"))
        with open(os.path.join(self.root, "data/run/resolv.conf"), "rb") as file:
            self.assertEqual(file.read(), self.written)

    def test_a_link_out_of_the_root_goes_nowhere(self):
        canary = os.path.join(self.folder.name, "canary")
        with open(canary, "wb"):
            pass
        self.start(("etc",), ("etc/resolv.conf", None, canary))
        self.assertEqual(os.path.getsize(canary), 0)


if __name__ == "__main__":
    unittest.main()
