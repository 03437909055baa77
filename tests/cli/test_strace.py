"""--strace shows every kind of argument as tests/guest/traced.c says."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ISH = os.path.join(os.environ["ISH_BUILD"], "ish")
PROGRAM = os.environ["GUEST_TRACED"]


def run(*options):
    """Expected lines, shown lines, exit status."""
    with tempfile.TemporaryDirectory(prefix="ish-strace-") as root:
        for name in ("dev", "proc", "tmp"):
            os.mkdir(os.path.join(root, name))
        shutil.copy(PROGRAM, os.path.join(root, "traced"))
        log = os.path.join(root, "log")
        done = subprocess.run([ISH, *options, "--log-file", log, "-r", root, "/traced"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60)
        with open(log, errors="replace") as file:
            shown = [line.rstrip("\n").partition("ish: strace: ")[2] for line in file
                     if line.startswith("ish: strace: ")]
        return done.stdout.decode().splitlines(), shown, done.returncode


def pattern(expected):
    return r"\d+ " + ".*".join(re.escape(part) for part in expected.split("*")) + r"\Z"


class Strace(unittest.TestCase):
    def test_lines(self):
        """each call of the program is shown as it should be, in order"""
        expected, shown, status = run("--strace")
        self.assertEqual(status, 3)
        self.assertGreater(len(expected), 90)
        at = 0
        for line in expected:
            wanted = re.compile(pattern(line))
            found = next((i for i in range(at, len(shown)) if wanted.match(shown[i])), None)
            with self.subTest(line):
                call = line.partition("(")[0] + "("
                near = [text for text in shown[at:] if call in text][:3]
                self.assertIsNotNone(found, "not shown; there was %s" % near)
            at = found + 1 if found is not None else at

    def test_end(self):
        """a call that does not come back is shown before it goes"""
        _, shown, _ = run("--strace=exit,exit_group")
        self.assertEqual([re.sub(r"^\d+ ", "", line) for line in shown if "---" not in line],
                         ["exit(7) = ?", "exit_group(3) = ?"])


if __name__ == "__main__":
    unittest.main()
