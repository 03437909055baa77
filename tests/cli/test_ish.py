"""The ish command without a terminal: options, exit status, standard descriptors."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import tiny_root
from tiny_root import ISH, PATIENCE


def setUpModule():
    global WORK, ROOT
    WORK, ROOT = tiny_root.make()


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
                     ("-w", "/no/such/place"), ("-b", "/no/such:/tmp"), ("-b", "/tmp:/no/such"), ("--gdb=x",),
                     ("--gdb=70000",), ("--gdb=/no/such/place",)):
            with self.subTest(args=args):
                self.refused("ish: ", "-f", ROOT, *args, "true")

    def test_bad_roots(self):
        """a root that is missing or none says what it is and what makes one: 125"""
        empty = tempfile.mkdtemp(dir=WORK)
        nothing = os.path.join(WORK, "nothing")
        self.refused("fakefsify ARCHIVE %s'" % nothing, "-f", nothing, "true")
        self.refused("fakefsify ARCHIVE DIR", "-f", empty, "true")
        self.refused("Not a directory", "-f", "/etc/passwd", "true")
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

    def test_long_names(self):
        """every option with a letter has a long name that does the same"""
        shared = tempfile.mkdtemp(dir=WORK)
        done = ish("--rootfs", ROOT, "--bind=%s:/mnt" % shared, "--workdir=/mnt", "--env", "A=b",
                   "--user=7:8", "sh", "-c", "pwd; echo $A; id -u; id -g")
        self.assertEqual(done.stdout, "/mnt\nb\n7\n8\n", done.stderr)
        self.assertEqual(ish("-h").stdout, ish("--help").stdout)
        self.assertEqual(ish("-V").stdout, ish("--version").stdout)

    def test_every_option(self):
        """every option of the table is used by a test here, and in the help and the manual"""
        tests, text, manual = "", ish("--help").stdout, ""
        with open(__file__) as file:
            tests = file.read()
        with open(os.path.join(tiny_root.TOP, "docs", "ish.1")) as file:
            manual = file.read()
        with open(os.path.join(tiny_root.TOP, "tools", "options.tbl")) as file:
            options = re.findall(r"^(?:-\w|  ) --([a-z-]+)", file.read(), re.M)
        self.assertGreater(len(options), 10)
        for name in options:
            self.assertIn("--" + name, text)
            self.assertIn("Fl -" + name, manual)
            self.assertRegex(tests, '"--%s["=]' % name)

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
        done = guest("no-such-program")
        self.assertEqual((done.returncode, done.stderr), (
            127, "ish: cannot run 'no-such-program': not found along the guest's PATH\n"))
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

    def test_memory(self):
        """--memory is what the guest has, and the most it gets"""
        self.assertRegex(guest("--memory=64M", "head", "-n", "1", "/proc/meminfo").stdout,
                         r"^MemTotal: +65536 kB\n")
        take = ("dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1")
        self.assertEqual(guest("--memory", "1G", *take).returncode, 0)
        self.assertNotEqual(guest("--memory", "64M", *take).returncode, 0)

    def test_cpus(self):
        """--cpus is the number of processors the guest sees"""
        self.assertEqual(guest("--cpus", "3", "nproc").stdout, "3\n")
        self.assertEqual(guest("--cpus=1", "grep", "-c", "^processor", "/proc/cpuinfo").stdout, "1\n")

    def test_host_root(self):
        """-r runs what is in a host directory"""
        root = tempfile.mkdtemp(dir=WORK)
        for name in ("bin", "proc", "dev"):
            os.mkdir(os.path.join(root, name))
        with open(os.path.join(root, "bin", "busybox"), "wb") as file:
            subprocess.run([ISH, "-f", ROOT, "cat", "/bin/busybox"], stdin=subprocess.DEVNULL,
                           stdout=file, check=True)
        os.chmod(os.path.join(root, "bin", "busybox"), 0o755)
        for option in ("-r", "--host-root"):
            self.assertEqual(ish(option, root, "/bin/busybox", "echo", "yes").stdout, "yes\n")

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
        self.assertIn("ish: strace: ", guest("--log", "error,strace", "true").stderr)
        self.assertEqual(guest("--log=error", "true").stderr, "")


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


if __name__ == "__main__":
    unittest.main()
