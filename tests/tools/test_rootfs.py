"""The root builder: sources, merging, dpkg's database, determinism. Needs no network."""
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tools", "rootfs"))

import aptfetch  # noqa: E402
import build  # noqa: E402
import busybox  # noqa: E402
import deb  # noqa: E402
import dpkgdb  # noqa: E402
import merge  # noqa: E402
import npmfetch  # noqa: E402
import tiers  # noqa: E402

DEBIAN = """Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def make_deb(folder, name, control, files, links=(), conffiles=(), scripts=()):
    """files: path -> (mode, contents); links: (new path, path it is a hard link to)."""
    tree = os.path.join(folder, name)
    os.makedirs(os.path.join(tree, "DEBIAN"))
    text = ("Package: %s\nVersion: 1\nArchitecture: arm64\nMaintainer: x <x@x>\n%s"
            "Description: x\n" % (name, control))
    parts = {"control": text, "conffiles": "".join(path + "\n" for path in conffiles)}
    for part, body in dict(parts, **dict.fromkeys(scripts, "#!/bin/sh\n")).items():
        path = os.path.join(tree, "DEBIAN", part)
        with open(path, "w") as out:
            out.write(body)
        os.chmod(path, 0o755 if part in scripts else 0o644)
    for path, (mode, body) in files.items():
        full = os.path.join(tree, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as out:
            out.write(body)
        os.chmod(full, mode)
    for new, old in links:
        os.link(os.path.join(tree, old), os.path.join(tree, new))
    out = tree + ".deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, out], check=True,
                   stdout=subprocess.DEVNULL, env=dict(os.environ, SOURCE_DATE_EPOCH="1000000000"))
    return out


class Sources(unittest.TestCase):
    def test_maps_suite(self):
        """the host's Debian sources serve another suite, backports left out"""
        sources = list(aptfetch.parse_deb822(DEBIAN))
        found = aptfetch.distribution_sources(sources, "bookworm", "trixie")
        self.assertEqual([item["Suites"] for item in found],
                         ["trixie trixie-updates", "trixie-security"])
        self.assertEqual({item["Components"] for item in found}, {"main"})

    def test_ignores_strangers(self):
        """an archive of somebody else's is not used, whatever its suites are called"""
        text = "deb [signed-by=/etc/other.gpg] http://x.example bookworm main\n" \
               "deb http://y.example cloud-bookworm main\ndeb-src http://z.example bookworm main\n"
        parsed = list(aptfetch.parse_one_line(text))
        self.assertEqual(aptfetch.distribution_sources(parsed, "bookworm", "bookworm"), [])

    def test_one_line_options(self):
        """options of one-line sources survive into the private sources"""
        parsed = list(aptfetch.parse_one_line(
            "deb [check-valid-until=no trusted=yes] http://m.example stable main # note\n"))
        text = aptfetch.sources_text(aptfetch.distribution_sources(parsed, "bookworm", "bookworm"))
        self.assertIn("Check-Valid-Until: no\n", text)
        self.assertIn("Trusted: yes\n", text)
        self.assertIn("Suites: bookworm\n", text)

    def test_reads_both_forms(self):
        """sources.list and sources.list.d are both read, disabled entries left out"""
        with tempfile.TemporaryDirectory() as etc:
            os.mkdir(etc + "/sources.list.d")
            for name, text in (("sources.list", "deb http://a.example bookworm main\n"),
                               ("sources.list.d/b.sources", DEBIAN),
                               ("sources.list.d/c.sources", DEBIAN.replace(
                                   "Types: deb", "Enabled: no\nTypes: deb"))):
                with open(os.path.join(etc, name), "w") as out:
                    out.write(text)
            self.assertEqual(len(aptfetch.host_sources(etc)), 3)


class Names(unittest.TestCase):
    def test_canonical(self):
        """members below bin, sbin and lib move into usr, others stay"""
        cases = {"./": "", ".": "", "./bin/sh": "usr/bin/sh", "lib/x": "usr/lib/x", "./bin/": "bin",
                 "./etc/.hidden": "etc/.hidden", "./.top": ".top", "./library/x": "library/x"}
        self.assertEqual({path: merge.canonical(path) for path in cases}, cases)

    def test_applets(self):
        """applet names are read from the binary's own table"""
        blob = b"junk\0[\0[[\0ash\0cat\0sh\0\0junk\0"
        self.assertEqual(busybox.applets(blob), ["[", "[[", "ash", "cat", "sh"])

    def test_applets_refused(self):
        """a binary without a proper table is refused, not guessed at"""
        for blob in (b"nothing", b"\0[\0[[\0ash\0\0", b"\0[\0[[\0zcat\0sh\0\0"):
            with self.assertRaises(ValueError):
                busybox.applets(blob)

    def test_npm_specification(self):
        """npm packages must be pinned by version"""
        self.assertEqual(npmfetch.split_specification("@a/b@1.0#sha512-xy="),
                         ("@a/b", "1.0", "sha512-xy="))
        for bad in ("@a/b", "b@", "b@1#md5-x", "../x@1"):
            with self.assertRaises(npmfetch.NpmError):
                npmfetch.split_specification(bad)

    def test_every_root_composes(self):
        """every tier and lane names a tier, and every npm package in them is pinned by content"""
        for name in tiers.root_names():
            tier, packages, npm = tiers.compose(name)
            self.assertIn(tier, tiers.TIERS)
            self.assertTrue(packages)
            for specification in npm:
                self.assertTrue(npmfetch.split_specification(specification)[2], specification)


class Merging(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.debs = [
            make_deb(self.folder.name, "one", "Multi-Arch: same\n",
                     {"bin/one": (0o4755, "1"), "etc/one.conf": (0o644, "setting\n")},
                     links=[("bin/uno", "bin/one")], conffiles=["/etc/one.conf"],
                     scripts=["postinst"]),
            make_deb(self.folder.name, "two", "", {"usr/bin/one": (0o755, "other"),
                                                   "lib/two.so": (0o644, "2")}),
        ]

    def build(self, name="root.tar"):
        path = os.path.join(self.folder.name, name)
        root = merge.RootTar(path, 1000000000, build.LINKS)
        packages = [deb.Package(item) for item in self.debs]
        dpkgdb.write(root, [merge.merge_package(root, package) for package in packages], "arm64")
        root.close()
        return path

    def members(self):
        with tarfile.open(self.build()) as archive:
            return {item.name: (item, archive.extractfile(item).read() if item.isreg() else b"")
                    for item in archive}

    def test_layout(self):
        """paths are merged into usr, links kept as links, set-id bits kept, owners numeric"""
        found = self.members()
        self.assertEqual(found["bin"][0].linkname, "usr/bin")
        self.assertEqual(found["usr/bin/one"][0].mode, 0o4755)
        pair = found["usr/bin/one"][0], found["usr/bin/uno"][0]
        linked = [item for item in pair if item.islnk()]
        self.assertEqual(len(linked), 1)
        self.assertIn(linked[0].linkname, ("usr/bin/one", "usr/bin/uno"))
        self.assertEqual({item.uname + item.gname for item, _ in found.values()}, {""})
        self.assertIn("usr/lib/two.so", found)

    def test_first_owner_wins(self):
        """a path two packages ship is written once"""
        with tarfile.open(self.build()) as archive:
            names = archive.getnames()
        self.assertEqual(len(names), len(set(names)))

    def test_database(self):
        """dpkg's database says unpacked, knows conffile sums, and marks same-arch packages"""
        found = self.members()
        status = found["var/lib/dpkg/status"][1].decode()
        self.assertEqual(status.count("Status: install ok unpacked"), 2)
        self.assertIn(" /etc/one.conf " + hashlib.md5(b"setting\n").hexdigest(), status)
        self.assertEqual(found["var/lib/dpkg/info/one:arm64.postinst"][0].mode, 0o755)
        listing = found["var/lib/dpkg/info/one:arm64.list"][1].decode().splitlines()
        self.assertEqual(listing[0], "/.")
        self.assertIn("/bin/one", listing)
        self.assertIn("var/lib/dpkg/info/two.list", found)

    def test_dpkg_accepts_it(self):
        """the host's dpkg reads the database without complaint"""
        out = os.path.join(self.folder.name, "tree")
        os.mkdir(out)
        with tarfile.open(self.build()) as archive:
            archive.extractall(out)
        done = subprocess.run(["dpkg-query", "--admindir=%s/var/lib/dpkg" % out, "-W", "-f",
                               "${Package} ${db:Status-Abbrev}\n"], text=True, capture_output=True)
        self.assertEqual((done.stdout, done.stderr), ("one iU \ntwo iU \n", ""))

    def test_deterministic(self):
        """the same packages give the same bytes, compressed or not"""
        for suffix in (".tar", ".tar.gz"):
            first, second = (open(self.build(str(turn) + suffix), "rb").read() for turn in range(2))
            self.assertEqual(first, second)

    def test_no_file_through_link(self):
        """a member below something that is not a directory is an error, not a surprise"""
        root = merge.RootTar(os.path.join(self.folder.name, "x.tar"), 0, {})
        root.symlink("usr/dir", "/etc")
        with self.assertRaises(ValueError):
            root.file("usr/dir/passwd", "x")


class Keys(unittest.TestCase):
    def test_key_follows_content(self):
        """the cache key changes with the packages' content, the suffix and the npm list"""
        recipe = build.Recipe("tiny", "bookworm", "arm64")
        debs = [aptfetch.Deb("a_1_arm64.deb", 1, "aa")]
        more = build.Recipe("tiny", "bookworm", "arm64", extra_npm=["x@1"])
        keys = {recipe.key(debs, ".tar", "s"), recipe.key(debs, ".tar.gz", "s"),
                recipe.key([debs[0]._replace(sha256="bb")], ".tar", "s"), more.key(debs, ".tar", "s")}
        self.assertEqual(len(keys), 4)


if __name__ == "__main__":
    unittest.main()
