"""The tiny root as built from the archive: what people and the gates rely on being in it."""
import os
import subprocess
import sys
import tarfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Tiny(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = subprocess.run([sys.executable, "tools/rootfs/make_root.py", "tiny", "--archive"],
                              cwd=TOP, text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        with tarfile.open(done.stdout.strip()) as archive:
            cls.found = {item.name: item for item in archive}
            cls.texts = {name: archive.extractfile(item).read() for name, item in cls.found.items()
                         if item.isreg() and name.startswith("etc/")}

    def test_applets(self):
        """every applet of busybox is a link beside it"""
        links = {name for name, item in self.found.items() if item.linkname == "busybox"}
        self.assertGreater(len(links), 250)
        self.assertLessEqual({"usr/bin/sh", "usr/bin/env", "usr/bin/awk", "usr/bin/vi"}, links)

    def test_programs(self):
        """busybox and the musl loader are executable and where programs look for them"""
        self.assertEqual(self.found["usr/bin/busybox"].mode, 0o755)
        self.assertEqual(self.found["bin"].linkname, "usr/bin")
        self.assertIn("usr/lib/ld-musl-aarch64.so.1", self.found)

    def test_modes(self):
        """shared and private directories have their modes"""
        modes = {name: self.found[name].mode for name in ("tmp", "root", "proc", "etc/shadow")}
        self.assertEqual(modes, {"tmp": 0o1777, "root": 0o700, "proc": 0o555, "etc/shadow": 0o640})

    def test_nothing_of_the_host(self):
        """no name server, owner name or address of the host is baked in"""
        self.assertNotIn(b"nameserver", self.texts["etc/resolv.conf"])
        self.assertEqual({item.uname + item.gname for item in self.found.values()}, {""})
        self.assertTrue(self.texts["etc/passwd"].startswith(b"root:x:0:0:"))


if __name__ == "__main__":
    unittest.main()
