"""The ish command: options, exit status, standard descriptors, and the terminal it runs in."""
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import pexpect

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ["ISH_BUILD"]
ISH = os.path.join(BUILD, "ish")
PATIENCE = 30


def setUpModule():
    """A root of our own, with busybox in it."""
    global WORK, ROOT
    WORK = tempfile.mkdtemp(prefix="ish-cli-")
    ROOT = os.path.join(WORK, "root")
    archive = subprocess.run([sys.executable, "tools/rootfs/make_root.py", "tiny", "--archive"],
                             cwd=TOP, text=True, check=True, stdout=subprocess.PIPE).stdout.strip()
    subprocess.run([os.path.join(BUILD, "fakefsify"), archive, ROOT], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def tearDownModule():
    shutil.rmtree(WORK)


def ish(*args, **options):
    """Runs ish without a terminal."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([ISH, *args], text=True, timeout=PATIENCE, start_new_session=True,
                          **options)


def guest(*args, **options):
    return ish("-f", ROOT, *args, **options)


class Options(unittest.TestCase):
    def refused(self, message, *args):
        done = ish(*args)
        self.assertEqual((done.returncode, done.stdout), (125, ""), done.stderr)
        self.assertIn(message, done.stderr)
        return done

    def test_unknown(self):
        """an unknown option is named, with the usage, on standard error: 125"""
        for option in ("--bogus", "-x", "--stats=3"):
            self.assertIn("usage: ish ", self.refused(option, option, "-f", ROOT, "true").stderr)

    def test_missing(self):
        """a missing argument, root or program is said: 125"""
        self.refused("-w needs an argument", "-f", ROOT, "-w")
        self.refused("no root", "true")
        self.refused("no program", "-f", ROOT)
        self.refused("more than one root", "-f", ROOT, "-r", "/", "true")

    def test_bad_values(self):
        """values that make no sense are refused: 125"""
        for args in (("-u", "root"), ("-u", "1:"), ("-u", "-1"), ("--memory", "12x"), ("--memory", "0"),
                     ("--cpus", "0"), ("--cpus", "many"), ("-b", "/tmp"), ("-b", "/tmp:relative"),
                     ("-e", "=x"), ("--log", "nochannel"), ("--strace=nocall",), ("--hostname", ""),
                     ("-w", "/no/such/place"), ("-b", "/no/such:/tmp"), ("-b", "/tmp:/no/such")):
            with self.subTest(args=args):
                self.refused("ish: ", "-f", ROOT, *args, "true")

    def test_bad_roots(self):
        """a root that is missing or none says what it is and what makes one: 125"""
        empty = tempfile.mkdtemp(dir=WORK)
        self.refused("fakefsify", "-f", os.path.join(WORK, "nothing"), "true")
        self.refused("fakefsify", "-f", empty, "true")
        self.refused("No such file", "-r", os.path.join(WORK, "nothing"), "true")
        self.refused("Not a directory", "-r", "/etc/passwd", "true")

    def test_busy_root(self):
        """a root that is in use is refused: 125"""
        with subprocess.Popen([ISH, "-f", ROOT, "sh", "-c", "echo up; read x"], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
            self.assertEqual(first.stdout.readline(), "up\n")
            self.refused("cannot use the root", "-f", ROOT, "true")
            first.communicate("\n")
        self.assertEqual(first.returncode, 0)

    def test_help(self):
        """--help, --version and --log help answer on standard output"""
        text = ish("--help").stdout
        for option in ("--rootfs", "--bind", "--strace", "--clear-env"):
            self.assertIn(option, text)
        self.assertRegex(ish("-V").stdout, r"^ish \d+\.\d+\.\d+\n$")
        self.assertIn("strace ", ish("--log", "help").stdout)

    def test_end_of_options(self):
        """options end at the program and at --"""
        self.assertEqual(guest("echo", "-f", "--help").stdout, "-f --help\n")
        self.assertEqual(guest("--", "echo", "-x").stdout, "-x\n")


class Status(unittest.TestCase):
    def test_own(self):
        """the program's exit status is ish's"""
        for status in (0, 1, 7, 255):
            self.assertEqual(guest("sh", "-c", "exit %d" % status).returncode, status)

    def test_signal(self):
        """a program killed by a signal gives 128 plus its number"""
        self.assertEqual(guest("sh", "-c", "kill -TERM $$").returncode, 143)
        self.assertEqual(guest("sh", "-c", "kill -SEGV $$").returncode, 139)

    def test_cannot_run(self):
        """127 for no program, 126 for one that cannot be run"""
        self.assertEqual(guest("no-such-program").returncode, 127)
        self.assertEqual(guest("/no/such/program").returncode, 127)
        self.assertEqual(guest("/etc/passwd").returncode, 126)
        self.assertEqual(guest("/etc").returncode, 126)

    def test_told_to_end(self):
        """SIGTERM and SIGHUP end the guest, and then ish by that signal"""
        for sig in (signal.SIGTERM, signal.SIGHUP):
            with subprocess.Popen([ISH, "-f", ROOT, "sh", "-c", "trap '' TERM HUP; echo up; sleep 100"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
                process.stdout.readline()
                process.send_signal(sig)
                self.assertEqual(process.wait(PATIENCE), -sig)


class Guest(unittest.TestCase):
    def test_environment(self):
        """the environment is PATH, HOME and TERM, changed by -e, emptied by --clear-env"""
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        env = dict(os.environ, TERM="vt52", SECRET="x", PASSED="y")
        run = lambda *args: sorted(guest(*args, "env", env=env).stdout.split("\n")[:-1])
        self.assertEqual(run(), ["HOME=/root", path, "TERM=vt52"])
        self.assertEqual(run("-e", "HOME=/x", "-e", "PASSED", "-e", "UNSET", "-e", "A=b=c"),
                         ["A=b=c", "HOME=/x", "PASSED=y", path, "TERM=vt52"])
        self.assertEqual(sorted(guest("--clear-env", "-e", "ONE=1", "/bin/env", env=env)
                                .stdout.split()), ["ONE=1"])

    def test_place_and_user(self):
        """-w, -u and --hostname are what the program finds"""
        self.assertEqual(guest("-w", "/tmp", "pwd").stdout, "/tmp\n")
        self.assertEqual(guest("-u", "1000:50", "sh", "-c", "id -u; id -g; echo $HOME").stdout,
                         "1000\n50\n/\n")
        self.assertEqual(guest("-u", "12", "id", "-g").stdout, "12\n")
        self.assertEqual(guest("--hostname", "box", "hostname").stdout, "box\n")

    def test_bind(self):
        """-b shows a host directory, :ro without the right to write"""
        shared = tempfile.mkdtemp(dir=WORK)
        with open(os.path.join(shared, "in"), "w") as file:
            file.write("from the host\n")
        script = "cat /mnt/in; echo x > /mnt/out; echo $?"
        done = guest("-b", shared + ":/mnt", "sh", "-c", script)
        self.assertEqual(done.stdout, "from the host\n0\n", done.stderr)
        self.assertTrue(os.path.exists(os.path.join(shared, "out")))
        done = guest("-b", shared + ":/mnt:ro", "sh", "-c", "cat /mnt/in; echo x > /mnt/new; echo $?")
        self.assertEqual(done.stdout, "from the host\n1\n")
        self.assertIn("Read-only", done.stderr)

    def test_host_root(self):
        """-r runs what is in a host directory"""
        root = tempfile.mkdtemp(dir=WORK)
        for name in ("bin", "proc", "dev"):
            os.mkdir(os.path.join(root, name))
        with open(os.path.join(root, "bin", "busybox"), "wb") as file:
            subprocess.run([ISH, "-f", ROOT, "cat", "/bin/busybox"], stdin=subprocess.DEVNULL,
                           stdout=file, check=True)
        os.chmod(os.path.join(root, "bin", "busybox"), 0o755)
        self.assertEqual(ish("-r", root, "/bin/busybox", "echo", "yes").stdout, "yes\n")

    def test_log(self):
        """--strace, --stats and --log-file write to the log, never to the guest's output"""
        log = os.path.join(WORK, "log")
        done = guest("--strace=write,exit_group", "--stats", "--log-file", log, "echo", "hello")
        self.assertEqual((done.stdout, done.stderr), ("hello\n", ""))
        with open(log) as file:
            lines = file.read().splitlines()
        self.assertTrue(any('write(' in line and '"hello\\n"' in line for line in lines), lines)
        self.assertFalse(any("execve" in line or "mmap" in line for line in lines), lines)
        self.assertRegex(lines[-1], "^ish: stats: .* s elapsed")
        self.assertIn("ish: strace: ", guest("--strace", "true").stderr)


class Descriptors(unittest.TestCase):
    def test_pipes(self):
        """pipes pass through, in both directions and in size"""
        data = "".join("line %d\n" % i for i in range(20000))
        self.assertEqual(guest("cat", input=data, stdin=None).stdout, data)

    def test_files(self):
        """a file keeps its position across several programs"""
        name = os.path.join(WORK, "lines")
        with open(name, "w") as file:
            file.write("one\ntwo\nthree\n")
        script = '"%s" -f "%s" head -c 4; "%s" -f "%s" cat' % (ISH, ROOT, ISH, ROOT)
        with open(name) as file:
            done = subprocess.run(["sh", "-c", script], stdin=file, stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.stdout, "one\ntwo\nthree\n")
        with open(name, "w") as file:
            for text in ("a", "b"):
                subprocess.run([ISH, "-f", ROOT, "echo", text], stdin=subprocess.DEVNULL, stdout=file)
        with open(name) as file:
            self.assertEqual(file.read(), "a\nb\n")

    def test_closed(self):
        """closed descriptors are closed in the guest"""
        script = '"%s" -f "%s" sh -c "ls /proc/self/fd | head -n 1" <&-' % (ISH, ROOT)
        done = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 0)
        done = subprocess.run(["sh", "-c", '"%s" -f "%s" echo x >&-' % (ISH, ROOT)],
                              stderr=subprocess.PIPE, text=True)
        self.assertNotEqual(done.returncode, 0)

    def test_reader_goes(self):
        """a reader that goes away ends the writer with SIGPIPE"""
        script = '{ "%s" -f "%s" sh -c "yes; echo status \\$? >&2"; } | head -n 1' % (ISH, ROOT)
        done = subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual((done.stdout, done.stderr), ("y\n", "status 141\n"))

    def test_interrupt(self):
        """without a terminal, SIGINT goes to the program"""
        with subprocess.Popen([ISH, "-f", ROOT, "sh", "-c", "trap 'exit 5' INT; echo up; while :; do sleep 0.1; done"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(PATIENCE), 5)
            process.stdin.close()


class Terminal(unittest.TestCase):
    def spawn(self, *args, program=("sh",)):
        child = pexpect.spawn(ISH, ["-f", ROOT, *args, *program], encoding="utf-8", timeout=PATIENCE,
                              dimensions=(24, 80), env=dict(os.environ, TERM="dumb"))
        self.addCleanup(child.close, force=True)
        return child

    def prompt(self, child):
        child.expect_exact("# ")

    def command(self, child, text, *expected):
        child.send(text + "\r")
        for line in expected:
            child.expect_exact(line)
        self.prompt(child)

    def finish(self, child, status):
        child.expect(pexpect.EOF)
        child.close()
        self.assertEqual((child.exitstatus, child.signalstatus), (status, None))

    def test_session(self):
        """a session: edit a line, a pipeline, stop and resume a job, resize, exit 7"""
        child = self.spawn()
        self.prompt(child)
        self.command(child, "echo helo\x7flo", "hello\r\n")
        self.command(child, "tty; stty size", "/dev/pts/0\r\n", "24 80\r\n")
        self.command(child, "echo c b a | tr ' ' '\\n' | sort | tr '\\n' -", "a-b-c-")
        child.send("sleep 1000\r")
        child.expect_exact("sleep 1000")
        time.sleep(0.3)
        child.send("\x1a")
        child.expect_exact("Stopped")
        self.prompt(child)
        self.command(child, "jobs", "Stopped", "sleep 1000")
        self.command(child, "bg", "sleep 1000")
        child.send("fg\r")
        child.expect_exact("sleep 1000\r\n")
        time.sleep(0.3)
        child.send("\x03")
        self.prompt(child)
        self.command(child, "echo status $?", "status 130\r\n")
        child.setwinsize(50, 132)
        for _ in range(50):
            child.send("stty size\r")
            if child.expect_exact(["50 132\r\n", "24 80\r\n"]) == 0:
                break
        else:
            self.fail("the new window size never arrived")
        self.prompt(child)
        child.send("exit 7\r")
        self.finish(child, 7)

    def test_raw_program(self):
        """a program that reads keys raw gets them as they are typed, and sees the size change"""
        child = self.spawn(program=("vi", "/tmp/written"))
        child.send("ihello\x1b")
        time.sleep(0.5)  # an escape key, not the beginning of an arrow key
        child.send(":wq\r")
        self.finish(child, 0)
        self.assertEqual(guest("cat", "/tmp/written").stdout, "hello\n")

    def test_end_of_file(self):
        """^D on an empty line ends the reader"""
        child = self.spawn(program=("cat",))
        child.send("text\r")
        child.expect_exact("text\r\ntext\r\n")
        child.send("\x04")
        self.finish(child, 0)

    def test_much_output(self):
        """nothing written before the end is lost"""
        child = self.spawn(program=("seq", "30000"))
        child.expect(pexpect.EOF)
        self.assertEqual(child.before.split(), [str(i) for i in range(1, 30001)])

    def test_paste(self):
        """typing faster than the program reads loses nothing"""
        child = self.spawn(program=("sh", "-c", "stty raw -echo; echo go; dd bs=1000 count=40 "
                                    "iflag=fullblock 2>/dev/null | md5sum | cut -c1-32"))
        child.expect_exact("go")
        data = b"".join(b"%07d " % i for i in range(5000))
        os.write(child.child_fd, data[:3000])
        for at in range(3000, len(data), 1000):
            os.write(child.child_fd, data[at:at + 1000])
        child.expect_exact(hashlib.md5(data).hexdigest())
        self.finish(child, 0)


class Restoring(unittest.TestCase):
    """The outer terminal belongs to a shell, whose modes must come back."""

    def outer(self):
        shell = pexpect.spawn("/bin/sh", ["-i"], encoding="utf-8", timeout=PATIENCE, dimensions=(24, 80),
                              env=dict(os.environ, PS1="outer> ", ENV=""))
        self.addCleanup(shell.close, force=True)
        shell.expect_exact("outer> ")
        return shell

    def modes(self, shell):
        return termios.tcgetattr(shell.child_fd)

    def is_raw(self, shell):
        return not self.modes(shell)[3] & (termios.ICANON | termios.ISIG | termios.ECHO)

    def wait_for(self, condition):
        end = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, "waited in vain")
            time.sleep(0.02)

    def start(self, shell, command):
        shell.send("%s -f %s %s\r" % (ISH, ROOT, command))

    def pid_of_ish(self, shell):
        found = []

        def look():
            text = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(shell.pid)], text=True,
                                  stdout=subprocess.PIPE).stdout
            found[:] = re.findall(r"(\d+) ish$", text, re.M)
            return found
        self.wait_for(look)
        return int(found[0])

    def check_signal(self, sig):
        shell = self.outer()
        before = self.modes(shell)
        self.start(shell, "sh -c 'echo inner; read x'")
        shell.expect_exact("inner\r\n")
        self.wait_for(lambda: self.is_raw(shell))
        os.kill(self.pid_of_ish(shell), sig)
        shell.expect_exact("outer> ")
        self.assertEqual(self.modes(shell), before)
        shell.send("echo status $?\r")
        shell.expect_exact("status %d" % (128 + sig))

    def test_exit(self):
        """the modes come back when the program ends"""
        shell = self.outer()
        before = self.modes(shell)
        self.start(shell, "sh -c 'stty raw -echo; echo inner'")
        shell.expect_exact("inner")
        shell.expect_exact("outer> ")
        self.assertEqual(self.modes(shell), before)

    def test_terminated(self):
        """they come back when ish is told to end"""
        self.check_signal(signal.SIGTERM)

    def test_crashed(self):
        """they come back when ish crashes"""
        for sig in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT):
            self.check_signal(sig)

    def test_stopped(self):
        """they come back while ish is stopped, and ish takes the terminal again when continued"""
        shell = self.outer()
        before = self.modes(shell)
        self.start(shell, "sh -c 'echo inner; read x; echo got $x'")
        shell.expect_exact("inner\r\n")
        self.wait_for(lambda: self.is_raw(shell))
        os.kill(self.pid_of_ish(shell), signal.SIGTSTP)
        shell.expect_exact("outer> ")
        self.assertEqual(self.modes(shell), before)
        shell.send("fg\r")
        self.wait_for(lambda: self.is_raw(shell))
        shell.send("key\r")
        shell.expect_exact("got key")
        shell.expect_exact("outer> ")
        self.assertEqual(self.modes(shell), before)

    def test_pipeline(self):
        """in a pipeline the terminal is left alone until the guest reads it"""
        shell = self.outer()
        before = self.modes(shell)
        self.start(shell, "sh -c 'echo inner >&2; sleep 1000' | cat")
        shell.expect_exact("inner")
        self.assertEqual(self.modes(shell), before)
        shell.send("\x03")
        shell.expect_exact("outer> ")
        self.start(shell, "sh -c 'echo inner >&2; read x; echo got $x' | cat")
        shell.expect_exact("inner")
        self.wait_for(lambda: self.is_raw(shell))
        shell.send("this\r")
        shell.expect_exact("got this")
        shell.expect_exact("outer> ")
        self.assertEqual(self.modes(shell), before)

    def test_background(self):
        """in the background ish runs without touching the terminal"""
        shell = self.outer()
        self.start(shell, "sh -c 'sleep 0.2; exit 3' & wait $!; echo status $?")
        shell.expect_exact("status 3")


if __name__ == "__main__":
    unittest.main()
