"""What a guest makes in its root survives being taken out as an archive and brought in again: seen
from inside with ls and stat, from outside in the archives."""
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

BUILD = os.environ["ISH_BUILD"]
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
XATTR = os.environ.get("GUEST_SETFATTR", "")

MAKE = r"""
set -e
umask 022
mkdir /t && cd /t
echo owned > owned; chown 1234:567 owned; chmod 640 owned
for mode in 4755 2755 1777 6711 0000 0044; do echo $mode > m$mode; chmod $mode m$mode; done
chown 1234 m4755; chmod 4755 m4755
for mode in 2775 1777 0700 0111; do mkdir d$mode; chmod $mode d$mode; done
chown 7:8 d2775; chmod 2775 d2775; echo inherits > d2775/child; mkdir d2775/sub
mknod null c 1 3; mknod disk b 259 70000; chown 0:6 disk; chmod 660 disk; mknod -m 600 big c 4095 1048575
mkfifo fifo; chmod 622 fifo; chown 9:9 fifo
ln owned linked; ln owned d2775/linked; ln null null2
ln -s owned symlink; ln -s /no/where dangling; ln -s .. d0700/up; chown -h 55:66 symlink
ln symlink symlink2
echo spaces > ' leading and trailing '; echo nl > "$(printf 'new\nline')"
echo bytes > "$(printf 'not\377utf8\200')"; mkdir "$(printf 'dir\376')"; echo in > "$(printf 'dir\376')/f"
echo glob > '*'; echo dash > ./-rf; echo back > 'a\b'; : > empty
i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done > long
touch -d '1999-12-31 23:59:59' owned; touch -d '2038-01-20 00:00:00' long; touch -h -d '2001-02-03 04:05:06' dangling
if [ -x /bin/setfattr ]; then
    /bin/setfattr user.note 'some text' owned; /bin/setfattr trusted.t 1 d2775
    /bin/setfattr security.x y fifo
fi
touch -d '2010-10-10 10:10:10' d0700 d2775
"""
LOOK = r"""
cd /t
ls -lanR --full-time | grep -v '^total'
find . | sort | while IFS= read -r f; do
    [ -L "$f" ] && readlink "$f"
    [ -f "$f" ] && [ ! -L "$f" ] && md5sum "$f"
    [ -x /bin/setfattr ] && /bin/setfattr "$f"
done
stat -c '%n %f %h %u:%g %t:%T %s %y' -- * d2775/* d0700/*
[ owned -ef linked ] && [ owned -ef d2775/linked ] && [ null -ef null2 ] && echo links hold
"""


def listing(path):
    """Every entry of an archive, as far as it can be compared; hard links as groups of names."""
    found, groups = {}, {}
    with tarfile.open(path, errors="surrogateescape") as tar:
        for info in tar:
            first = info.linkname if info.islnk() else info.name
            groups.setdefault(first, set()).add(info.name)
            if info.islnk():
                continue
            data = tar.extractfile(info).read() if info.isreg() else b""
            extra = tuple(sorted(item for item in info.pax_headers.items() if "xattr" in item[0]))
            found[info.name] = (info.type, info.mode, info.uid, info.gid, info.linkname, data,
                                info.devmajor, info.devminor, info.mtime,
                                info.pax_headers.get("mtime"), extra)
    return found, sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


class RoundTrip(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ish-trip-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        built = subprocess.run([sys.executable, "tools/rootfs/make_root.py", "tiny", "--archive"],
                               cwd=TOP, text=True, capture_output=True)
        self.assertEqual(built.returncode, 0, built.stderr)
        self.tool("fakefsify", built.stdout.strip(), self.path("first"))
        if XATTR:
            shutil.copy(XATTR, self.path("first/data/usr/bin/setfattr"))

    def path(self, name):
        return os.path.join(self.dir, name)

    def tool(self, name, *args):
        done = subprocess.run([os.path.join(BUILD, name), *args], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def inside(self, root, script):
        """Runs a script of the guest's shell."""
        done = subprocess.run([os.path.join(BUILD, "ish"), "-f", self.path(root), "/bin/sh", "-c", script],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=100)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def test_round_trip(self):
        """out, in, out again: nothing is lost and nothing added"""
        self.inside("first", MAKE)
        before = self.inside("first", LOOK)
        self.assertIn(b"links hold", before)
        self.tool("unfakefsify", self.path("first"), self.path("one.tar"))
        self.tool("fakefsify", self.path("one.tar"), self.path("second"))
        after = self.inside("second", LOOK)
        self.assertEqual(before.split(b"\n"), after.split(b"\n"))
        self.tool("unfakefsify", self.path("second"), self.path("two.tar"))
        one, links_one = listing(self.path("one.tar"))
        two, links_two = listing(self.path("two.tar"))
        self.assertEqual(one.keys(), two.keys())
        self.assertEqual({k: (v, two[k]) for k, v in one.items() if v != two[k]}, {})
        self.assertEqual(links_one, links_two)

    def test_copy(self):
        """a root copied with `cp -a` opens and keeps every owner, mode, device and attribute"""
        self.inside("first", MAKE)
        before = self.inside("first", LOOK)
        subprocess.run(["cp", "-a", self.path("first"), self.path("copy")], check=True)
        for time in "the records found by name", "and kept under the new inodes":
            self.assertEqual(before.split(b"\n"), self.inside("copy", LOOK).split(b"\n"), time)
        self.assertIn(b"0 problems repaired, 0 left", self.tool("fakefs-fsck", self.path("copy")))
        self.inside("copy", "chown 77:88 /t/owned; rm /t/null")
        self.assertEqual(before.split(b"\n"), self.inside("first", LOOK).split(b"\n"))
        self.assertEqual(self.inside("copy", "stat -c %u:%g /t/linked; ls /t/null2"), b"77:88\n/t/null2\n")

    def test_archive_says_what_was_made(self):
        """the archive holds what the guest asked for"""
        self.inside("first", MAKE)
        self.tool("unfakefsify", self.path("first"), self.path("one.tar"))
        found, links = listing(self.path("one.tar"))
        found = {name.removeprefix("./"): entry for name, entry in found.items()}
        links = [tuple(name.removeprefix("./") for name in group) for group in links]
        group = [g for g in links if "t/owned" in g]
        self.assertEqual(group, [("t/d2775/linked", "t/linked", "t/owned")])
        owned = found[[n for n in group[0] if n in found][0]]
        self.assertEqual(owned[1:6] + (owned[8],), (0o640, 1234, 567, "", b"owned\n", 946684799))
        for mode in ("4755", "2755", "1777", "6711", "0000", "0044"):
            self.assertEqual(found["t/m" + mode][1], int(mode, 8), mode)
        self.assertEqual(found["t/d2775/child"][2:4], (0, 8), "a set-gid directory passes its group on")
        self.assertEqual((found["t/d2775/sub"][1], found["t/d2775/sub"][3]), (0o2755, 8))
        self.assertEqual(found["t/disk"][:4] + found["t/disk"][6:8],
                         (tarfile.BLKTYPE, 0o660, 0, 6, 259, 70000))
        self.assertEqual(found["t/big"][6:8], (4095, 1048575))
        self.assertEqual(found["t/fifo"][:4], (tarfile.FIFOTYPE, 0o622, 9, 9))
        self.assertEqual(found["t/dangling"][4], "/no/where")
        for name in ("t/ leading and trailing ", "t/new\nline", "t/not\udcffutf8\udc80",
                     "t/dir\udcfe/f", "t/*", "t/-rf", "t/a\\b"):
            self.assertIn(name, found)
        if XATTR:
            self.assertIn("some text", str(owned[10]))


if __name__ == "__main__":
    unittest.main()
