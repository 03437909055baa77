"""The ish command on a terminal: sessions typed at it, and the modes it leaves behind.

What is typed next waits for what a program printed, never for time to pass.
"""
import hashlib
import os
import shutil
import signal
import subprocess
import termios
import time
import unittest

import pexpect

import tiny_root
from tiny_root import ISH, PATIENCE

LEFT, RIGHT, UP, HOME, END = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[H", "\x1b[F"
BACKSPACE, INTERRUPT, END_OF_FILE, KILL_LINE, WORD_ERASE, SUSPEND, ESCAPE = (
    "\x7f", "\x03", "\x04", "\x15", "\x17", "\x1a", "\x1b")


def setUpModule():
    global WORK, ROOT
    WORK, ROOT = tiny_root.make()


def tearDownModule():
    shutil.rmtree(WORK)


class Terminal(unittest.TestCase):
    def spawn(self, *program):
        child = pexpect.spawn(ISH, ["-f", ROOT, "-e", "PS1=ready> ", *program], encoding="utf-8",
                              timeout=PATIENCE, dimensions=(24, 80), env=dict(os.environ, TERM="vt100"))
        child.delaybeforesend = None
        self.addCleanup(child.close, force=True)
        return child

    def shell(self):
        child = self.spawn("sh")
        child.expect_exact("ready> ")
        return child

    def command(self, child, keys, *expected):
        """Types a command line; what it prints comes in this order, then the prompt."""
        child.send(keys + "\r")
        for text in expected:
            child.expect_exact(text)
        child.expect_exact("ready> ")

    def finish(self, child, status):
        child.expect(pexpect.EOF)
        child.close()
        self.assertEqual((child.exitstatus, child.signalstatus), (status, None))


class Session(Terminal):
    def test_session(self):
        """a session: edits a line, pipes, stops and resumes jobs, resizes, interrupts, exits with 7"""
        child = self.shell()
        self.command(child, "tty; stty size", "\n/dev/pts/0\r\n", "24 80\r\n")
        self.command(child, "echo helo" + LEFT + "l" + END + " all" + BACKSPACE * 4, "\nhello\r\n")
        self.command(child, "echo c b a | tr ' ' '\\n' | sort | tr '\\n' -", "\na-b-c-")

        child.send("sh -c 'echo up; exec cat'\r")
        child.expect_exact("\nup\r\n")
        child.send("one\r")
        child.expect_exact("one\r\none\r\n")
        child.send(SUSPEND)
        child.expect_exact("Stopped")
        child.expect_exact("ready> ")
        self.command(child, "jobs", "[1]+  Stopped", "exec cat")
        child.send("fg\r")
        child.expect_exact("exec cat")
        child.send("two\r")
        child.expect_exact("two\r\ntwo\r\n")
        child.send(INTERRUPT)
        child.expect_exact("ready> ")
        self.command(child, "echo status $?", "\nstatus 130\r\n")

        child.send("sh -c 'trap \"stty size; kill \\$!; exit 3\" WINCH; sleep 1000 & echo up; wait'\r")
        child.expect_exact("\nup\r\n")
        child.setwinsize(50, 132)
        child.expect_exact("50 132\r\n")
        child.expect_exact("ready> ")
        self.command(child, "echo status $?; stty size", "\nstatus 3\r\n", "50 132\r\n")
        child.send("exit 7\r")
        self.finish(child, 7)

    def test_background(self):
        """a job stopped with ^Z runs on in the background, and one that reads there stops"""
        child = self.shell()
        child.send("sh -c 'echo up; while :; do sleep 0.05; done'\r")
        child.expect_exact("\nup\r\n")
        child.send(SUSPEND)
        child.expect_exact("Stopped")
        child.expect_exact("ready> ")
        self.command(child, "bg", "[1] sh -c")
        self.command(child, "jobs", "[1]+  Running")
        self.command(child, "kill %1; wait %1; echo status $?", "\nstatus 143\r\n")
        self.command(child, "cat & wait $!; echo status $?", "\nstatus 149\r\n")
        child.send("fg %1\r")
        child.expect_exact("\ncat\r\n")
        child.send("back\r")
        child.expect_exact("back\r\nback\r\n")
        child.send(END_OF_FILE)
        child.expect_exact("ready> ")
        child.send(END_OF_FILE)
        self.finish(child, 0)

    def test_history(self):
        """the shell's own editing: words, the whole line, history"""
        child = self.shell()
        self.command(child, "echo wrong words" + WORD_ERASE * 2 + "right", "\nright\r\n")
        self.command(child, "echo never" + KILL_LINE + "echo ever", "\never\r\n")
        self.command(child, UP + " so", "\never so\r\n")
        child.send("exit\r")
        self.finish(child, 0)

    def test_canonical_editing(self):
        """lines a plain program reads are edited by the terminal: characters, words, the line"""
        child = self.spawn("sh", "-c", "echo up; read -r line; echo \"got <$line>\"")
        child.expect_exact("up\r\n")
        child.send("wrong" + KILL_LINE + "rigth" + BACKSPACE * 2 + "ht wrong" + WORD_ERASE + "word\r")
        child.expect_exact("got <right word>\r\n")
        self.finish(child, 0)

    def test_end_of_file(self):
        """^D ends the reader on an empty line, and hands over a line that is not empty"""
        child = self.spawn("sh", "-c", "echo up; exec cat")
        child.expect_exact("up\r\n")
        child.send("text\r")
        child.expect_exact("text\r\ntext\r\n")
        child.send("part" + END_OF_FILE)
        child.expect_exact("partpart")
        child.send("\r")
        child.expect_exact("\r\n\r\n")
        child.send(END_OF_FILE)
        self.finish(child, 0)

    def test_raw_program(self):
        """a program that reads keys raw gets them as they are typed, and sees the size change"""
        name = os.path.join(ROOT, "data", "tmp", "written")
        self.addCleanup(lambda: os.path.exists(name) and os.unlink(name))
        child = self.spawn("vi", "/tmp/written")
        child.expect_exact("- /tmp/written")
        child.send("ihello")
        child.expect_exact("I /tmp/written")
        child.setwinsize(10, 40)
        child.expect_exact("\x1b[10;1H")
        child.send(ESCAPE)
        child.expect_exact("- /tmp/written")
        child.send(":wq\r")
        self.finish(child, 0)
        text = subprocess.run([ISH, "-f", ROOT, "cat", "/tmp/written"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True, timeout=PATIENCE).stdout
        self.assertEqual(text, "hello\n")

    def test_much_output(self):
        """nothing written before the end is lost"""
        child = self.spawn("seq", "30000")
        child.expect(pexpect.EOF)
        self.assertEqual(child.before.split(), [str(i) for i in range(1, 30001)])

    def test_paste(self):
        """typing faster than the program reads loses nothing"""
        child = self.spawn("sh", "-c", "stty raw -echo; echo go; dd bs=1000 count=40 "
                           "iflag=fullblock 2>/dev/null | md5sum | cut -c1-32")
        child.expect_exact("go")
        data = b"".join(b"%07d " % i for i in range(5000))
        os.write(child.child_fd, data[:3000])
        for at in range(3000, len(data), 1000):
            os.write(child.child_fd, data[at:at + 1000])
        child.expect_exact(hashlib.md5(data).hexdigest())
        self.finish(child, 0)


class Restoring(unittest.TestCase):
    """The outer terminal belongs to a shell of the host, whose modes must come back."""

    def outer(self):
        shell = pexpect.spawn("/bin/sh", ["-i"], encoding="utf-8", timeout=PATIENCE, dimensions=(24, 80),
                              env=dict(os.environ, PS1="outer> ", ENV=""))
        shell.delaybeforesend = None
        self.addCleanup(shell.close, force=True)
        shell.expect_exact("outer> ")
        return shell

    def modes(self, shell):
        return termios.tcgetattr(shell.child_fd)

    def is_raw(self, shell):
        return not self.modes(shell)[3] & (termios.ICANON | termios.ISIG | termios.ECHO)

    def wait_for(self, condition):
        """For what nobody announces."""
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, "waited in vain")
            time.sleep(0.02)

    def start(self, shell, command):
        shell.send("%s -f %s %s\r" % (ISH, ROOT, command))

    def start_reader(self, shell):
        """A guest that has printed and reads; returns the process of ish."""
        self.start(shell, "sh -c 'echo inner; read x; echo got $x; read y'")
        shell.expect_exact("\ninner\r\n")
        self.assertTrue(self.is_raw(shell))
        return os.tcgetpgrp(shell.child_fd)

    def check_end(self, shell, before, status):
        shell.expect_exact("outer> ")
        self.assertEqual(self.modes(shell), before)
        shell.send("echo status $?\r")
        shell.expect_exact("status %d\r\n" % status)
        shell.expect_exact("outer> ")

    def check_signal(self, sig):
        shell = self.outer()
        before = self.modes(shell)
        os.kill(self.start_reader(shell), sig)
        self.check_end(shell, before, 128 + sig)

    def test_exit(self):
        """the modes come back when a program ends that set its own"""
        shell = self.outer()
        before = self.modes(shell)
        self.start(shell, "sh -c 'stty raw -echo; echo inner; exit 3'")
        shell.expect_exact("\ninner")
        self.check_end(shell, before, 3)

    def test_killed_program(self):
        """they come back when a program in raw mode is killed"""
        shell = self.outer()
        before = self.modes(shell)
        self.start(shell, "sh -c 'stty raw -echo; exec sh -c \"echo inner; kill -9 \\$\\$\"'")
        shell.expect_exact("\ninner")
        self.check_end(shell, before, 137)

    def test_no_program(self):
        """they come back when there is nothing to run"""
        shell = self.outer()
        before = self.modes(shell)
        self.start(shell, "/no/such/program")
        shell.expect_exact("ish: ")
        self.check_end(shell, before, 127)

    def test_told_to_end(self):
        """they come back when ish is told to end: TERM, HUP, INT"""
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with self.subTest(signal=sig.name):
                self.check_signal(sig)

    def test_crashed(self):
        """they come back when ish crashes"""
        for sig in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE,
                    signal.SIGTRAP, signal.SIGSYS):
            with self.subTest(signal=sig.name):
                self.check_signal(sig)

    def test_stopped(self):
        """they come back while ish is stopped, and ish takes the terminal again when continued"""
        shell = self.outer()
        before = self.modes(shell)
        os.kill(self.start_reader(shell), signal.SIGTSTP)
        shell.expect_exact("outer> ")
        self.assertEqual(self.modes(shell), before)
        shell.send("fg\r")
        self.wait_for(lambda: self.is_raw(shell))
        shell.send("key\r")
        shell.expect_exact("got key")
        self.assertTrue(self.is_raw(shell))
        shell.send("\r")
        self.check_end(shell, before, 0)

    def test_stopped_hard(self):
        """after SIGSTOP, which nothing can see coming, continuing makes it right again"""
        shell = self.outer()
        os.kill(self.start_reader(shell), signal.SIGSTOP)
        shell.expect_exact("outer> ")
        shell.send("stty sane; stty erase x\n")  # the terminal is still raw: no \r ends a line
        shell.expect_exact("outer> ")
        between = self.modes(shell)
        shell.send("fg\r")
        self.wait_for(lambda: self.is_raw(shell))
        shell.send("key\r")
        shell.expect_exact("got key")
        shell.send("\r")
        self.check_end(shell, between, 0)

    def test_continued_in_background(self):
        """continued in the background ish leaves the terminal to the one who has it"""
        shell = self.outer()
        before = self.modes(shell)
        pid = self.start_reader(shell)
        os.kill(pid, signal.SIGTSTP)
        shell.expect_exact("outer> ")
        shell.send("bg\r")
        shell.expect_exact("outer> ")
        self.assertEqual(self.modes(shell), before)
        shell.send("kill %1; wait %1; echo status $?\r")
        shell.expect_exact("status 143\r\n")
        shell.expect_exact("outer> ")
        self.assertEqual(self.modes(shell), before)

    def test_pipeline(self):
        """in a pipeline the terminal is left alone until the guest reads it"""
        shell = self.outer()
        before = self.modes(shell)
        self.start(shell, "sh -c 'echo inner >&2; sleep 1000' | cat")
        shell.expect_exact("\ninner")
        self.assertEqual(self.modes(shell), before)
        shell.send(INTERRUPT)
        shell.expect_exact("outer> ")
        self.start(shell, "sh -c 'echo inner >&2; read x; echo got $x' | cat")
        shell.expect_exact("\ninner")
        self.wait_for(lambda: self.is_raw(shell))
        shell.send("this\r")
        shell.expect_exact("got this")
        shell.expect_exact("outer> ")
        self.assertEqual(self.modes(shell), before)

    def test_background(self):
        """in the background ish runs without touching the terminal"""
        shell = self.outer()
        self.start(shell, "sh -c 'exit 3' & wait $!; echo status $?")
        shell.expect_exact("status 3\r\n")


if __name__ == "__main__":
    unittest.main()
