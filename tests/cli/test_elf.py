"""What `ish program` does with programs that are damaged: a message, an exit status that is not
success, and never an end of ish itself."""
import os
import random
import struct
import subprocess
import tempfile
import unittest

BUILD = os.environ["ISH_BUILD"]
EM_AARCH64, EM_X86_64 = 183, 62
CODE = struct.pack("<4I", 0xD2800540, 0xD2800BA8, 0xD4000001, 0)  # exit(42)
LOAD = 64  # offset of the one program header


def program(kind):
    base = 0x400000 if kind == 2 else 0
    ehdr = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", kind, EM_AARCH64, 1, base + 0x800, LOAD, 0, 0, 64, 56, 1, 0, 0, 0)
    phdr = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, 0x1000, 0x1000, 0x1000)
    return bytearray((ehdr + phdr).ljust(0x800, b"\0") + CODE.ljust(0x800, b"\0"))


class InEmptyRoot(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="ish-elf-")
        self.addCleanup(self.dir.cleanup)
        for name in ("dev", "proc", "sys", "tmp"):
            os.mkdir(os.path.join(self.dir.name, name))


class Damaged(InEmptyRoot):
    def run_bytes(self, data):
        path = os.path.join(self.dir.name, "program")
        with open(path, "wb") as out:
            out.write(data)
        os.chmod(path, 0o755)
        done = subprocess.run([os.path.join(BUILD, "ish"), "-r", self.dir.name, "-w", "/", "/program"],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
        return done.returncode, done.stderr.decode()

    def refused(self, data, what):
        status, errors = self.run_bytes(data)
        self.assertIn(status, (125, 126, 127), what + ": " + errors)
        self.assertIn("cannot run '/program': ", errors, what)

    def test_good_program_runs(self):
        for kind in (2, 3):
            self.assertEqual(self.run_bytes(program(kind)), (42, ""))

    def test_refusals_name_the_program(self):
        for kind in (2, 3):
            for what, at, form, value in (
                    ("magic", 1, "B", 0x58), ("machine", 18, "H", EM_X86_64), ("type", 16, "H", 4),
                    ("phentsize", 54, "H", 55), ("no headers", 56, "H", 0),
                    ("too many headers", 56, "H", 0xFFFF), ("headers beyond", 32, "Q", 1 << 40),
                    ("headers at -1", 32, "Q", 2**64 - 1), ("offset", LOAD + 8, "Q", 2**63),
                    ("skew", LOAD + 8, "Q", 7), ("kernel address", LOAD + 16, "Q", 1 << 63),
                    ("file size", LOAD + 32, "Q", 0x1001), ("huge", LOAD + 40, "Q", 1 << 60),
                    ("interpreter beyond", LOAD, "I", 3), ("nothing to load", LOAD, "I", 4)):
                data = program(kind)
                struct.pack_into("<" + form, data, at, value)
                self.refused(data, "%s of type %d" % (what, kind))
            for size in (0, 1, 4, 63, 64, 119):
                self.refused(program(kind)[:size], "%d bytes" % size)

    def test_random_damage_never_ends_ish(self):
        chance = random.Random(2)
        for turn in range(40):
            data = program(2 + turn % 2)
            for _ in range(1 + turn % 4):
                data[chance.randrange(120)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            status, errors = self.run_bytes(data)
            self.assertGreaterEqual(status, 0, "turn %d: ish was killed: %s" % (turn, errors))
            if status != 42:
                self.assertNotEqual(errors.strip() or status >= 128, "", turn)


class CrashReport(InEmptyRoot):
    """--log=signal tells what a program that a signal ends looked like."""

    def test_report(self):
        data = program(2)
        struct.pack_into("<3I", data, 0x800, 0xD2800001, 0xD2824682, 0xF9000022)  # x1 = 0; x2; str x2, [x1]
        with open(os.path.join(self.dir.name, "program"), "wb") as out:
            out.write(data)
        os.chmod(out.name, 0o755)
        for options, report in (([], False), (["--log=error,signal"], True)):
            done = subprocess.run([os.path.join(BUILD, "ish"), *options, "-r", self.dir.name, "-w", "/",
                                   "/program"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
            errors = done.stderr.decode()
            self.assertEqual(done.returncode, 128 + 11, errors)
            for part in ("ended by SIGSEGV, code 1, address 0", "x2  0000000000001234",
                         "> 0000000000400808  f9000022  str", "pc 400808 is in 400000-401000 r-xp",
                         "address 0 is not mapped"):
                self.assertEqual(part in errors, report, (part, errors))


if __name__ == "__main__":
    unittest.main()
