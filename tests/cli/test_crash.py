"""What the log says of a program that is ended by a signal."""
import os
import shutil
import subprocess
import tempfile
import unittest

ISH = os.path.join(os.environ["ISH_BUILD"], "ish")
PROGRAM = os.environ["GUEST_CRASHER"]


def report(how, signo=11):
    with tempfile.TemporaryDirectory(prefix="ish-crash-") as root:
        for name in ("dev", "proc", "tmp"):
            os.mkdir(os.path.join(root, name))
        shutil.copy(PROGRAM, os.path.join(root, "crasher"))
        log = os.path.join(root, "log")
        done = subprocess.run([ISH, "--log", "signal", "--log-file", log, "-r", root, "/crasher", how],
                              stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode == 128 + signo, done.returncode
        with open(log, errors="replace") as file:
            return file.read()


class Crash(unittest.TestCase):
    def callers(self, how):
        return report(how).count("called from")

    def test_fault(self):
        """the fault, the registers, the instruction and its place"""
        text = report("none")
        for part in ("ended by SIGSEGV, code 1, address 10", "x9  0000000000000010", "str xzr, [x9]",
                     "pc ", "r-x", "sp ", "rw-p", "address 10 is not mapped"):
            self.assertIn(part, text)

    def test_address(self):
        """an address that is mapped is shown with what it may not be used for"""
        self.assertRegex(report("text"), r"code 2, address [0-9a-f]+\n(.*\n)*.*address [0-9a-f]+ is in .* r-xp")

    def test_sent(self):
        """a signal that was sent has no address"""
        text = report("sent")
        self.assertIn("code 0", text)
        self.assertNotIn("  address", text)

    def test_jump(self):
        """a jump to nowhere has no instruction to show"""
        text = report("jump")
        self.assertIn("pc 40 is not mapped", text)
        self.assertNotIn("> ", text)

    def test_callers(self):
        """callers are shown as far as the frames go"""
        few, deep = self.callers("few"), self.callers("deep")
        self.assertGreater(few, 6)
        self.assertLess(few, 15)
        self.assertEqual(deep, 33)  # the link register, and as many records as are looked at

    def test_broken_frames(self):
        """a chain of frames that is none is left alone"""
        for how, count in (("none", 1), ("odd", 1), ("nowhere", 1), ("loop", 2)):
            with self.subTest(how):
                self.assertEqual(self.callers(how), count)


if __name__ == "__main__":
    unittest.main()
