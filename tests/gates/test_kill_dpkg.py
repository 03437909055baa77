"""ish is killed (SIGKILL) in the middle of `dpkg -i`: the root opens again, dpkg recovers, and every
file of the package has the contents, owner and mode the package says. What chown had acknowledged
elsewhere in the root meanwhile is there too. KILL_ROUNDS: how often. Needs the base root's archive."""
import copy
import hashlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import runners  # noqa: E402

BUILD = os.environ["ISH_BUILD"]
ROUNDS = int(os.environ.get("KILL_ROUNDS", "10"))
FILES = 60
OWNERS = ((0, 0), (33, 33), (0, 42), (1000, 1000), (65534, 65534))
MODES = (0o644, 0o755, 0o4755, 0o2755, 0o600, 0o440, 0o6711, 0o000)
# The load beside dpkg: a line for every chown that has returned.
LOAD = "i=0; while :; do i=$((i+1)); : > /root/t/$i; chown $i:$((i+1)) /root/t/$i; echo $i; done"
LIST = r"find /opt/kill -printf '%p %y %U:%G %m %l %n\n' | sort; " \
       "find /opt/kill -type f | sort | xargs sha256sum"


def ar_member(name, data):
    head = "%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name, 0, 0, 0, "100644", len(data))
    return head.encode() + data + b"\n" * (len(data) % 2)


class Package:
    """One version of the package: files of many owners, links, a conffile, scripts."""

    def __init__(self, version, chance):
        self.version, self.entries, self.sums = version, {}, {}
        members = []

        def add(path, kind, mode, owner, body=b"", link=""):
            info = tarfile.TarInfo("." + path)
            info.type, info.mode, info.linkname, info.size = kind, mode, link, len(body)
            info.uid, info.gid = owner
            info.mtime = 1700000000
            members.append((info, body))
            letter = {tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "l"}.get(kind, "f")
            self.entries[path] = [letter, "%d:%d" % owner, "%o" % mode, link, 1]
            if letter == "f":
                self.sums[path] = hashlib.sha256(body).hexdigest()

        add("/opt/kill", tarfile.DIRTYPE, 0o755, (0, 0))
        for number in range(FILES):
            folder = "/opt/kill/d%d" % (number % 7)
            if folder not in self.entries:
                # The same in both versions: dpkg leaves a directory that exists as it is.
                add(folder, tarfile.DIRTYPE, (0o755, 0o2775, 0o1777)[number % 3], OWNERS[number % 5])
            if number % 10 == version:  # files that only one of the versions has
                continue
            path = "%s/f%d" % (folder, number)
            body = chance.randbytes(chance.randrange(9000))
            add(path, tarfile.REGTYPE, chance.choice(MODES), chance.choice(OWNERS), body)
            if number % 15 == 0:
                add(path + ".link", tarfile.SYMTYPE, 0o777, chance.choice(OWNERS), link="f%d" % number)
            if number % 20 == 0:
                info = copy.copy(members[-1][0] if members[-1][1] is body else members[-2][0])
                info.name, info.type, info.linkname = info.name + ".hard", tarfile.LNKTYPE, info.name
                info.size = 0
                members.append((info, b""))
                self.entries[path][4] = 2
                self.entries[path + ".hard"] = list(self.entries[path])
                self.sums[path + ".hard"] = self.sums[path]
        control = ("Package: kill\nVersion: %d\nArchitecture: all\nMaintainer: x <x@x>\n"
                   "Description: x\n" % version)
        scripts = {name: "#!/bin/sh\nset -e\necho %s %d >> /var/log/kill\n" % (name, version)
                   for name in ("preinst", "postinst", "prerm", "postrm")}
        self.deb = b"!<arch>\n" + ar_member("debian-binary", b"2.0\n")
        self.deb += ar_member("control.tar.gz", self.tar(
            [self.plain("./control", control, 0o644)]
            + [self.plain("./" + name, body, 0o755) for name, body in scripts.items()]))
        self.deb += ar_member("data.tar.gz", self.tar(members))

    @staticmethod
    def plain(name, text, mode):
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(text), mode
        return info, text.encode()

    @staticmethod
    def tar(members):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
            for info, body in members:
                tar.addfile(info, io.BytesIO(body))
        return out.getvalue()

    def listing(self):
        """What LIST prints where this version is installed."""
        lines = ["%s %s %s %s %s" % (path, kind, owner, mode, link)
                 for path, (kind, owner, mode, link, _) in sorted(self.entries.items())]
        return lines, ["%s  %s" % (digest, path) for path, digest in sorted(self.sums.items())]


class KillDpkg(unittest.TestCase):
    maxDiff = 3000

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="ish-kill-dpkg-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        cls.root = os.path.join(cls.dir, "root")
        runners.checked([os.path.join(BUILD, "fakefsify"), runners.archive_of("base", "arm64"),
                         cls.root], "importing the base root")
        cls.chance = random.Random(int(os.environ.get("KILL_SEED", "1")))
        cls.packages = [Package(version, cls.chance) for version in (1, 2)]
        for package in cls.packages:
            path = os.path.join(cls.dir, "kill_%d.deb" % package.version)
            with open(path, "wb") as out:
                out.write(package.deb)
        cls.shell("mkdir -p /root/t && cp /mnt/kill_*.deb /root", "-b", cls.dir + ":/mnt:ro")

    @classmethod
    def command(cls, script, *options):
        return [os.path.join(BUILD, "ish"), *options, "-f", cls.root, "/bin/sh", "-c", script]

    @classmethod
    def shell(cls, script, *options):
        done = subprocess.run(cls.command("export PATH=/usr/sbin:/usr/bin; " + script, *options),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError("%s: status %d\n%s\n%s" % (script, done.returncode,
                                                            done.stdout[-2000:], done.stderr[-2000:]))
        return done.stdout

    def installed(self, package):
        """Every name, owner, mode and sum is the package's."""
        lines = self.shell(LIST).splitlines()
        names = [line.rsplit(" ", 1)[0] for line in lines if line.startswith("/")]
        entries, sums = package.listing()
        self.assertEqual(names, entries)
        self.assertEqual([line for line in lines if not line.startswith("/")], sums)

    def kill_during(self, package, seconds):
        """Numbers whose chown had been acknowledged when the kill came, and whether dpkg was done."""
        script = "export PATH=/usr/sbin:/usr/bin; (%s) & dpkg -i /root/kill_%d.deb >/dev/null 2>&1; " \
                 "echo done; wait" % (LOAD, package.version)
        process = subprocess.Popen(self.command(script), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        lines = process.communicate()[0].splitlines()
        return [int(line) for line in lines if line.isdigit()], "done" in lines

    def round(self, package, seconds):
        acknowledged, finished = self.kill_during(package, seconds)
        # A rename may have come before the note of it, which only a copy of the root would need.
        check = subprocess.run([os.path.join(BUILD, "fakefs-fsck"), "--repair", self.root],
                               capture_output=True, text=True)
        self.assertIn(check.returncode, (0, 1), check.stdout + check.stderr)
        owners = dict(line.split() for line in self.shell(
            "find /root/t -type f -printf '%f %U:%G\\n'; find /root/t -type f -delete").splitlines())
        lost = [n for n in acknowledged if owners.get(str(n)) != "%d:%d" % (n, n + 1)]
        self.assertEqual(lost, [])
        # What dpkg asks for when it finds a package half installed.
        self.shell("dpkg -i /root/kill_%d.deb" % package.version)
        self.assertEqual(self.shell("dpkg --audit kill; dpkg-query -W -f '${Version} ${Status}' kill"),
                         "%d install ok installed" % package.version)
        self.installed(package)
        return finished

    def test_rounds(self):
        """dpkg recovers from kills at random moments of an installation; no owner is lost"""
        started = time.monotonic()
        self.shell("dpkg -i /root/kill_1.deb")
        length = time.monotonic() - started
        self.installed(self.packages[0])
        in_the_middle = 0
        for number in range(ROUNDS):
            print("# round", number + 1, file=sys.stderr, flush=True)
            package = self.packages[(number + 1) % 2]
            in_the_middle += not self.round(package, self.chance.uniform(0.05, length))
        self.assertGreater(in_the_middle, ROUNDS // 3)


if __name__ == "__main__":
    unittest.main()
