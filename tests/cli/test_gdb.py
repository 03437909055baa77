"""`ish --gdb`: a debugger of the host stops, reads, changes and steps a guest program. The protocol is
spoken by a client of the test's own; gdb-multiarch, where there is one, shows that it is gdb's."""
import contextlib
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import unittest

BUILD = os.environ["ISH_BUILD"]
PROGRAM = os.environ["GUEST_DEBUGGED"]
NM = shutil.which("aarch64-linux-gnu-nm")
# Registers of the g packet.
REGISTERS = struct.Struct("<33QI512sII")
SP, PC = 31, 32
TRAP, INT, USR1 = 5, 2, 30


def symbols():
    out = subprocess.run([NM, PROGRAM], stdout=subprocess.PIPE, check=True, text=True).stdout
    return {name: int(addr, 16) for addr, _, name in re.findall(r"^([0-9a-f]+) (\w) (\w+)$", out, re.M)}


class Client:
    """gdb's side of the protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        for _ in range(600):
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.05)  # it is starting
        self.data = b""
        self.ack = True

    def byte(self):
        while not self.data:
            self.data = self.socket.recv(65536)
            if not self.data:
                raise EOFError
        first, self.data = self.data[:1], self.data[1:]
        return first

    def send(self, text):
        body = text if isinstance(text, bytes) else text.encode()
        self.socket.sendall(b"$%s#%02x" % (body, sum(body) & 255))
        if self.ack:
            assert self.byte() == b"+"

    def receive(self):
        while self.byte() != b"$":
            pass
        body = b""
        while (c := self.byte()) != b"#":
            body += c
        check = self.byte() + self.byte()
        assert int(check, 16) == sum(body) & 255
        if self.ack:
            with contextlib.suppress(OSError):  # nobody is there after the last one
                self.socket.sendall(b"+")
        return re.sub(rb"}(.)", lambda m: bytes([m[1][0] ^ 0x20]), body, flags=re.S)

    def ask(self, text):
        self.send(text)
        return self.receive().decode("latin-1")

    def registers(self):
        return list(REGISTERS.unpack(bytes.fromhex(self.ask("g"))))

    def set_registers(self, values):
        return self.ask("G" + REGISTERS.pack(*values).hex())

    def memory(self, addr, n):
        return bytes.fromhex(self.ask("m%x,%x" % (addr, n)))

    def threads(self):
        return [int(t, 16) for t in self.ask("qfThreadInfo")[1:].split(",")]


class Session:
    """One ish that waits for a debugger, and its root."""

    def __init__(self, *args):
        self.dir = tempfile.mkdtemp(prefix="ish-gdb-")
        root = os.path.join(self.dir, "root")
        for name in ("bin", "dev", "proc", "sys", "tmp", "etc"):
            os.makedirs(os.path.join(root, name))
        shutil.copy(PROGRAM, os.path.join(root, "bin", "debugged"))
        self.path = os.path.join(self.dir, "gdb")
        self.clients = []
        self.ish = subprocess.Popen([os.path.join(BUILD, "ish"), "-r", root, "--gdb=" + self.path,
                                     "/bin/debugged", *args], stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.socket.close()
        if self.ish.poll() is None:
            self.ish.kill()
        self.ish.wait()
        self.ish.stdout.close()
        shutil.rmtree(self.dir)

    def client(self):
        self.clients.append(Client(self.path))
        return self.clients[-1]

    def end(self):
        """Output and exit status."""
        out = self.ish.communicate(timeout=60)[0]
        return out, self.ish.returncode


@unittest.skipUnless(NM, "no nm for the program's symbols")
class Protocol(unittest.TestCase):
    def setUp(self):
        self.at = symbols()

    def run_to_work(self, c):
        self.assertEqual(c.ask("Z0,%x,4" % self.at["work"]), "OK")
        self.assertRegex(c.ask("vCont;c"), "^T05")
        self.assertEqual(c.registers()[PC], self.at["work"])

    def test_starts_before_the_first_instruction(self):
        with Session() as s:
            c = s.client()
            self.assertRegex(c.ask("?"), "^T05thread:1;")
            self.assertEqual(c.registers()[PC], self.at["_start"])
            self.assertEqual(c.ask("vCont;c"), "W07")
            self.assertEqual(s.end(), ("work: 6\n", 7))

    def test_breakpoints_do_not_show_and_go_away(self):
        with Session() as s:
            c = s.client()
            before = c.memory(self.at["work"], 8)
            self.run_to_work(c)
            self.assertEqual(c.memory(self.at["work"], 8), before)
            self.assertEqual(c.ask("z0,%x,4" % self.at["work"]), "OK")
            self.assertEqual(c.ask("vCont;c"), "W07")

    def test_registers_and_memory_can_be_changed(self):
        with Session() as s:
            c = s.client()
            self.run_to_work(c)
            regs = c.registers()
            regs[0] = 100  # n
            self.assertEqual(c.set_registers(regs), "OK")
            self.assertEqual(c.ask("M%x,4:%s" % (self.at["counter"], "02000000")), "OK")
            self.assertEqual(c.memory(self.at["counter"], 4), b"\2\0\0\0")
            self.assertEqual(c.ask("p0"), (100).to_bytes(8, "little").hex())
            self.assertEqual(c.ask("z0,%x,4" % self.at["work"]), "OK")
            self.assertEqual(c.ask("vCont;c"), "W07")
            self.assertEqual(s.end(), ("work: 102\n", 7))

    def test_bad_addresses_are_errors(self):
        with Session() as s:
            c = s.client()
            for packet in ("m10,4", "mffffffffffff0000,8", "M10,1:00", "Z0,10,4", "Z0,3,4", "p99"):
                self.assertRegex(c.ask(packet), "^E", packet)
            self.assertEqual(c.ask("Z2,%x,4" % self.at["counter"]), "")  # gdb steps instead

    def test_steps_one_instruction_of_one_thread(self):
        with Session() as s:
            c = s.client()
            self.run_to_work(c)
            self.assertEqual(len(c.threads()), 2)
            self.assertEqual(c.ask("z0,%x,4" % self.at["work"]), "OK")
            turns = c.memory(self.at["turns"], 4)
            for n in (1, 2, 3):
                self.assertRegex(c.ask("vCont;s:1"), "^T05thread:1;")
                self.assertEqual(c.registers()[PC], self.at["work"] + 4 * n)
            self.assertEqual(c.memory(self.at["turns"], 4), turns)  # the other one did not run
            self.assertRegex(c.ask("vCont;s:1;c"), "^T05thread:1;")

    def test_every_thread_has_registers(self):
        with Session() as s:
            c = s.client()
            self.run_to_work(c)
            first, second = c.threads()
            self.assertEqual(c.ask("Hg%x" % second), "OK")
            self.assertNotEqual(c.registers()[PC], self.at["work"])
            self.assertEqual(c.ask("T%x" % second), "OK")
            self.assertEqual(c.ask("Hg%x" % first), "OK")
            self.assertEqual(c.registers()[PC], self.at["work"])
            self.assertRegex(c.ask("T77"), "^E")

    def test_signals_are_reported_and_passed_on(self):
        with Session("signal") as s:
            c = s.client()
            self.assertRegex(c.ask("vCont;c"), "^T%02x" % USR1)
            self.assertEqual(c.ask("vCont;C%02x:1;c" % USR1), "W07")
            self.assertEqual(s.end(), ("work: 7\nhandled 10\n", 7))
        with Session("signal") as s:
            c = s.client()
            self.assertRegex(c.ask("vCont;c"), "^T%02x" % USR1)
            self.assertEqual(c.ask("vCont;c"), "W07")
            self.assertEqual(s.end(), ("work: 7\nhandled 0\n", 7))
        with Session("signal") as s:
            c = s.client()
            self.assertEqual(c.ask("QPassSignals:%x" % USR1), "OK")
            self.assertEqual(c.ask("vCont;c"), "W07")
            self.assertEqual(s.end(), ("work: 7\nhandled 10\n", 7))

    def test_interrupts_a_program_that_computes(self):
        with Session("wait") as s:
            c = s.client()
            c.send("vCont;c")
            self.assertEqual(s.ish.stdout.readline(), "work: 7\n")
            c.socket.sendall(b"\3")
            self.assertRegex(c.receive().decode(), "^T%02x" % INT)
            self.assertEqual(c.ask("M%x,1:01" % self.at["go_on"]), "OK")
            self.assertEqual(c.ask("vCont;c"), "W07")

    def test_a_fatal_signal_is_the_end(self):
        with Session("abort") as s:
            c = s.client()
            self.assertRegex(c.ask("vCont;c"), "^T06")
            self.assertEqual(c.ask("vCont;C06:1;c"), "X06")
            self.assertEqual(s.end()[1], 128 + 6)

    def test_what_it_forks_runs_on_alone(self):
        with Session("fork") as s:
            c = s.client()
            self.assertEqual(c.ask("QPassSignals:14"), "OK")  # SIGCHLD
            self.assertEqual(c.ask("vCont;c"), "W07")
            self.assertEqual(s.end(), ("work: 7\nchild 17\n", 7))

    def test_stops_in_a_new_program(self):
        with Session("exec") as s:
            c = s.client()
            self.assertIn("exec-events+", c.ask("qSupported:exec-events+"))
            name = b"/bin/debugged".hex()
            self.assertRegex(c.ask("vCont;c"), "^T05thread:1;exec:%s;" % name)
            self.assertEqual(c.threads(), [1])
            self.run_to_work(c)

    def test_detaching_leaves_the_program_alone(self):
        with Session() as s:
            c = s.client()
            self.run_to_work(c)
            self.assertEqual(c.ask("D"), "OK")
            self.assertEqual(s.end(), ("work: 6\n", 7))
        with Session() as s:  # and so does a debugger that goes away
            c = s.client()
            self.run_to_work(c)
            c.socket.close()
            self.assertEqual(s.end(), ("work: 6\n", 7))

    def test_kills(self):
        with Session() as s:
            c = s.client()
            self.assertEqual(c.ask("vKill;1"), "OK")
            self.assertEqual(s.end(), ("", 128 + 9))

    def test_objects(self):
        with Session() as s:
            c = s.client()
            self.assertEqual(c.ask("QStartNoAckMode"), "OK")
            c.ack = False
            xml = ""
            while not xml or part[0] == "m":
                part = c.ask("qXfer:features:read:target.xml:%x,300" % len(xml))
                xml += part[1:]
            self.assertEqual(len(re.findall("<reg ", xml)), 68)
            self.assertEqual(c.ask("qXfer:exec-file:read::0,100"), "l/bin/debugged")
            auxv = c.ask("qXfer:auxv:read::0,1000")[1:].encode("latin-1")
            self.assertIn((9, self.at["_start"]), list(struct.iter_unpack("<QQ", auxv)))

    def test_reads_the_guests_files(self):
        with Session() as s:
            c = s.client()
            self.assertEqual(c.ask("vFile:open:%s,0,0" % b"/bin/debugged".hex()), "F0")
            size = os.path.getsize(PROGRAM)
            stat = c.ask("vFile:fstat:0").encode("latin-1")
            self.assertTrue(stat.startswith(b"F40;"))
            self.assertEqual(int.from_bytes(stat[4 + 28:4 + 36], "big"), size)
            head = c.ask("vFile:pread:0,4,0").encode("latin-1")
            self.assertEqual(head, b"F4;\x7fELF")
            self.assertEqual(c.ask("vFile:pread:0,4,%x" % size), "F0;")
            self.assertEqual(c.ask("vFile:close:0"), "F0")
            self.assertEqual(c.ask("vFile:close:0"), "F-1,9")
            self.assertEqual(c.ask("vFile:open:%s,0,0" % b"/nothing".hex()), "F-1,2")

    def test_nonsense_does_no_harm(self):
        with Session() as s:
            c = s.client()
            for packet in ("", "m", "m1", "G00", "P", "vCont;", "qXfer:auxv:read::", "Z0", "Hgzz",
                           "vFile:open:", "vFile:pread:ff", "QPassSignals:ffffffff;x", "qThreadExtraInfo,",
                           "X10,4:ab", "M10,ffffffffffffffff:00", "q" * 3000):
                if packet != "vCont;":
                    c.ask(packet)
            c.socket.sendall(b"junk$m0,4#00")  # a wrong checksum
            self.assertEqual(c.byte(), b"-")
            self.assertRegex(c.ask("?"), "^T05")


@unittest.skipUnless(shutil.which("gdb-multiarch"), "no gdb-multiarch")
class Gdb(unittest.TestCase):
    def gdb(self, s, *commands):
        command = ["gdb-multiarch", "-nx", "-q", "-batch", "-ex", "set confirm off"]
        for _ in range(600):
            if os.path.exists(s.path):
                break
            time.sleep(0.05)
        for text in ("target remote " + s.path,) + commands:
            command += ["-ex", text]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, timeout=120).stdout

    def test_breaks_watches_and_runs_to_the_end(self):
        with Session() as s:
            out = self.gdb(s, "break work", "continue", "backtrace", "info threads",
                           "set can-use-hw-watchpoints 0", "watch counter", "continue", "delete", "finish",
                           "continue")
            for want in (r"Breakpoint 1, work \(n=1\)", r"#1 .* in main \(argc=1", r"Thread 2 \(debugged\)",
                         r"Old value = 5\s+New value = 6", r"Value returned is .* = 6", r"exited with code 07"):
                self.assertRegex(out, want)

    def test_calls_a_function_of_the_program(self):
        with Session() as s:
            out = self.gdb(s, "break work", "continue", "delete", "finish", "print work(10)", "detach")
            self.assertRegex(out, r"\$2 = 16")
            self.assertEqual(s.end(), ("work: 6\n", 7))


if __name__ == "__main__":
    unittest.main()
