"""fakefsify of container images: OCI layouts and `docker save` archives, good and bad."""
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest

BUILD = os.environ["ISH_BUILD"]
ARM = {"os": "linux", "architecture": "arm64"}
AMD = {"os": "linux", "architecture": "amd64"}
OCI = "application/vnd.oci.image."


def tool(name, *args, **options):
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([os.path.join(BUILD, name), *map(str, args)], **options)


def entry(name, data=None, kind=None, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind or (tarfile.REGTYPE if data is not None else tarfile.DIRTYPE)
    info.size = len(data or b"")
    info.mtime = 1700000000
    info.mode = 0o755 if info.type == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data or b""


def link(name, target, **fields):
    return entry(name, kind=tarfile.SYMTYPE, linkname=target, **fields)


def hard(name, target):
    return entry(name, kind=tarfile.LNKTYPE, linkname=target)


def make_tar(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    """An OCI layout in memory: names and contents."""

    def __init__(self):
        self.files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(self, data, kind, **more):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.files["blobs/sha256/" + hashlib.sha256(data).hexdigest()] = data
        return dict({"mediaType": OCI + kind, "digest": digest(data), "size": len(data)}, **more)

    def image(self, layers, pack=gzip.compress, platform=ARM, config=None, **more):
        """Adds an image of some layers (lists of entries); its descriptor."""
        tars = [layer if isinstance(layer, bytes) else make_tar(layer) for layer in layers]
        about = dict(platform, config=config or {},
                     rootfs={"type": "layers", "diff_ids": [digest(t) for t in tars]})
        about.update(more.pop("about", {}))
        manifest = {
            "schemaVersion": 2, "config": self.blob(about, "config.v1+json"),
            "layers": [self.blob(pack(t), "layer.v1.tar+gzip") for t in tars]}
        manifest.update(more.pop("manifest", {}))
        return self.blob(manifest, "manifest.v1+json", platform=platform, **more)

    def index(self, *descriptors):
        return self.blob({"schemaVersion": 2, "manifests": descriptors}, "index.v1+json")

    def close(self, *descriptors):
        self.files["index.json"] = json.dumps(
            {"schemaVersion": 2, "manifests": descriptors}).encode()
        return self

    def tar(self):
        return make_tar([entry(name, data) for name, data in self.files.items()])


def simple(layers, **more):
    layout = Layout()
    return layout.close(layout.image(layers, **more))


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ish-images-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as out:
            out.write(data)
        return self.path(name)

    def unpack(self, layout, name="layout"):
        for file, data in layout.files.items():
            os.makedirs(os.path.dirname(os.path.join(self.path(name), file)), exist_ok=True)
            with open(os.path.join(self.path(name), file), "wb") as out:
                out.write(data)
        return self.path(name)

    def make(self, image, *options, root="root"):
        """Makes a root; what it holds: names with what they are."""
        if isinstance(image, Layout):
            image = self.write("image.tar", image.tar())
        elif isinstance(image, bytes):
            image = self.write("image.tar", image)
        self.done = tool("fakefsify", *options, image, self.path(root))
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        self.assertEqual([n for n in os.listdir(self.dir) if n.startswith(root + ".")], [])
        return self.listing(root)

    def listing(self, root="root"):
        self.assertEqual(tool("fakefs-fsck", self.path(root)).returncode, 0)
        out = tool("unfakefsify", self.path(root), "-")
        self.assertEqual(out.returncode, 0, out.stderr)
        self.owners, found = {}, {}
        with tarfile.open(fileobj=io.BytesIO(out.stdout)) as tar:
            for info in tar:
                name = info.name.strip("/")
                self.owners[name] = (info.uid, info.gid, info.mode & 0o7777)
                if info.isdir():
                    found[name] = None
                elif info.issym():
                    found[name] = "-> " + info.linkname
                elif info.islnk():
                    found[name] = found[info.linkname.strip("/")]
                else:
                    found[name] = tar.extractfile(info).read().decode()
        return {name: what for name, what in found.items() if name not in ("", ".")}

    def refused(self, image, want, *options):
        """It is not made, `want` is said, and nothing is left."""
        if isinstance(image, Layout):
            image = self.write("image.tar", image.tar())
        before = sorted(os.listdir(self.dir))
        done = tool("fakefsify", *options, image, self.path("root"))
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(want, done.stderr.decode())
        self.assertEqual(done.stdout, b"")
        self.assertEqual(sorted(os.listdir(self.dir)), before)


BASE = [entry("bin"), entry("bin/sh", b"shell", mode=0o4755), entry("etc"),
        entry("etc/a", b"1"), entry("etc/b", b"2", uid=5, gid=6), entry("lib"),
        entry("lib/x", b"x"), link("lib64", "lib")]


class Layers(Case):
    def test_one_layer(self):
        """one layer is the root it holds, with owners and modes"""
        found = self.make(simple([BASE]))
        self.assertEqual(found, {"bin": None, "bin/sh": "shell", "etc": None, "etc/a": "1",
                                 "etc/b": "2", "lib": None, "lib/x": "x", "lib64": "-> lib"})
        self.assertEqual(self.owners["etc/b"], (5, 6, 0o644))
        self.assertEqual(self.owners["bin/sh"], (0, 0, 0o4755))

    def test_three_layers(self):
        """later layers add to and replace earlier ones"""
        found = self.make(simple([BASE, [entry("etc/a", b"new"), entry("etc/c", b"3")],
                                  [entry("var", mode=0o700), entry("etc/c", b"33")]]))
        self.assertEqual((found["etc/a"], found["etc/b"], found["etc/c"]), ("new", "2", "33"))
        self.assertEqual(self.owners["var"], (0, 0, 0o700))

    def test_whiteout_of_file_and_directory(self):
        """marks hide files, and directories with all they hold"""
        found = self.make(simple([BASE, [entry("etc/.wh.a", b""), entry(".wh.lib", b"")]]))
        self.assertEqual(sorted(found), ["bin", "bin/sh", "etc", "etc/b", "lib64"])

    def test_whiteout_of_nothing(self):
        """a mark for what is not there is no harm"""
        found = self.make(simple([BASE, [entry("etc/.wh.none", b""), entry("new/.wh.x", b"")]]))
        self.assertEqual(found["etc/a"], "1")
        self.assertFalse([n for n in found if ".wh." in n])

    def test_opaque(self):
        """an opaque directory keeps what its own layer says, before and behind the mark"""
        layer = [entry("etc"), entry("etc/first", b"f"), entry("etc/.wh..wh..opq", b""),
                 entry("etc/then", b"t")]
        found = self.make(simple([BASE, layer]))
        self.assertEqual(sorted(n for n in found if n.startswith("etc")),
                         ["etc", "etc/first", "etc/then"])

    def test_opaque_deep(self):
        """below an opaque directory only what the layer has stays, parents included"""
        lower = [entry("d"), entry("d/e"), entry("d/e/old", b""), entry("d/f"), entry("d/f/x", b"")]
        layer = [entry("d/e/new", b""), entry("d/.wh..wh..opq", b"")]
        found = self.make(simple([lower, layer]))
        self.assertEqual(sorted(found), ["d", "d/e", "d/e/new"])

    def test_mark_after_its_own(self):
        """a mark does not hide an entry of its own layer"""
        found = self.make(simple([BASE, [entry("etc/a", b"own"), entry("etc/.wh.a", b"")]]))
        self.assertEqual(found["etc/a"], "own")

    def test_kinds_change(self):
        """a directory becomes a file or a symlink, and the other way round"""
        upper = [entry("lib", b"file now"), entry("bin", kind=tarfile.SYMTYPE, linkname="usr/bin"),
                 entry("etc/a"), entry("etc/a/in", b"deep")]
        found = self.make(simple([BASE, upper]))
        self.assertEqual((found["lib"], found["bin"], found["etc/a/in"]),
                         ("file now", "-> usr/bin", "deep"))
        self.assertNotIn("lib/x", found)

    def test_hard_links(self):
        """hard links reach into lower layers, and stay when the first name goes"""
        found = self.make(simple([BASE, [hard("etc/same", "etc/b")], [entry("etc/.wh.b", b"")]]))
        self.assertEqual(found["etc/same"], "2")
        self.assertNotIn("etc/b", found)
        self.assertEqual(self.owners["etc/same"], (5, 6, 0o644))

    def test_through_symlink(self):
        """a parent that is a symlink of a lower layer leads where it will in the root"""
        found = self.make(simple([BASE, [entry("lib64/y", b"y"), entry("lib64/.wh.x", b"")]]))
        self.assertEqual((found["lib/y"], found["lib64"]), ("y", "-> lib"))
        self.assertNotIn("lib/x", found)

    def test_absolute_symlink_stays_inside(self):
        """an absolute symlink as a parent is absolute in the root"""
        outside = self.path("outside")
        os.mkdir(outside)
        layers = [[link("out", outside), link("up", "../../../../.." + outside)],
                  [entry("out/a", b""), entry("up/b", b"")]]
        image = self.write("image.tar", simple(layers).tar())
        done = tool("fakefsify", image, self.path("root"))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(os.listdir(outside), [])
        below = outside.strip("/").split("/")
        dirs = [entry("/".join(below[:i + 1])) for i in range(len(below))]
        found = self.make(simple([dirs + layers[0], layers[1]]))
        self.assertEqual(found["/".join(below) + "/a"], "")
        self.assertEqual(os.listdir(outside), [])

    def test_attributes_of_a_directory(self):
        """a directory's mode, owner and attributes are those of the last layer that has it"""
        low = entry("d", uid=3, mode=0o700, pax_headers={"SCHILY.xattr.user.low": "1"})
        found = self.make(simple([[low, entry("d/in", b"")],
                                  [entry("d", gid=4, mode=0o1777,
                                         pax_headers={"SCHILY.xattr.user.high": "2"})]]))
        self.assertEqual(self.owners["d"], (0, 4, 0o1777))
        self.assertIn("d/in", found)
        out = tool("unfakefsify", self.path("root"), "-").stdout
        self.assertEqual((b"user.high" in out, b"user.low" in out), (True, False))

    def test_storage_marks(self):
        """the bookkeeping of a storage driver is left out"""
        found = self.make(simple([BASE, [entry(".wh..wh.plnk"), entry(".wh..wh.aufs", b"")]]))
        self.assertFalse([n for n in found if ".wh." in n])

    def test_packings(self):
        """layers may be plain, gzip or zstd, and empty"""
        for i, pack in enumerate([lambda data: data, gzip.compress] +
                                 ([zstd] if shutil.which("zstd") else [])):
            found = self.make(simple([BASE, []], pack=pack), root="root%d" % i)
            self.assertEqual(found["bin/sh"], "shell")

    def test_not_only_tar_ends(self):
        """bytes behind the end of a layer's archive count in its digests"""
        self.make(simple([make_tar(BASE) + bytes(70000)]))


class Choosing(Case):
    def two(self):
        layout = Layout()
        return layout, layout.image([[entry("arm", b"")]]), layout.image([[entry("amd", b"")]],
                                                                         platform=AMD)

    def test_folder(self):
        """a layout may be a folder, which stays as it is"""
        layout = simple([BASE])
        folder = self.unpack(layout)
        self.make(folder)
        self.assertEqual(sorted(os.listdir(folder)), ["blobs", "index.json", "oci-layout"])

    def test_compressed_and_piped(self):
        """an image may be a compressed archive on standard input"""
        done = tool("fakefsify", "-", self.path("root"), input=gzip.compress(simple([BASE]).tar()))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.listing()["bin/sh"], "shell")

    def test_platform(self):
        """of several platforms, linux/arm64 is taken, in the index or one below it"""
        for nested in (False, True):
            layout, arm, amd = self.two()
            layout.close(*([layout.index(amd, arm)] if nested else [amd, arm]))
            self.assertEqual(list(self.make(layout, root="root%d" % nested)), ["arm"])

    def test_variant(self):
        """version 8 of the architecture is preferred to later ones"""
        layout = Layout()
        late = layout.image([[entry("v9", b"")]], platform=dict(ARM, variant="v9"))
        want = layout.image([[entry("v8", b"")]], platform=dict(ARM, variant="v8"))
        self.assertEqual(list(self.make(layout.close(layout.index(late, want)))), ["v8"])

    def test_attestations(self):
        """what buildx adds for platform unknown is passed over"""
        layout, arm, _ = self.two()
        other = dict(layout.image([[entry("no", b"")]]),
                     platform={"os": "unknown", "architecture": "unknown"})
        self.assertEqual(list(self.make(layout.close(layout.index(other, arm)))), ["arm"])

    def test_names(self):
        """of several images one is named, by tag or in full"""
        layout = Layout()
        name = "org.opencontainers.image.ref.name"
        layout.close(*[layout.image([[entry(tag, b"")]], annotations={name: "ex.org/i:" + tag})
                       for tag in ("one", "two")])
        self.refused(layout, "ex.org/i:one, ex.org/i:two")
        self.refused(layout, "no image named three", "--image", "three")
        self.assertEqual(list(self.make(layout, "--image", "two", root="a")), ["two"])
        self.assertEqual(list(self.make(layout, "--image=ex.org/i:one", root="b")), ["one"])

    def test_other_platform(self):
        """an image for something else says for what"""
        layout, _, amd = self.two()
        self.refused(layout.close(amd), "linux/amd64")
        self.refused(Layout().close(), "not for linux/arm64")
        bare = Layout()
        image = bare.image([BASE], platform=AMD)
        del image["platform"]
        self.refused(bare.close(image), "linux/amd64")

    def test_report(self):
        """what the image says about running is told and kept, and nothing of it is done"""
        config = {"Env": ["PATH=/bin", "X=a b"], "Cmd": ["sh", "-c"], "Entrypoint": None,
                  "WorkingDir": "/srv", "User": "nobody\x1b[2J"}
        found = self.make(simple([BASE], config=config))
        self.assertEqual(self.done.stdout.decode().splitlines(),
                         ["layers 1", 'cmd ["sh","-c"]', "env PATH=/bin", "env X=a b",
                          "workdir /srv", "user nobody?[2J"])
        with open(os.path.join(self.path("root"), "image.json")) as text:
            self.assertEqual(json.load(text)["config"], config)
        self.assertNotIn("srv", found)

    def test_plain_archive_is_no_image(self):
        """an archive with a manifest.json or an index.json of its own is a root as before"""
        found = self.make(make_tar([entry("manifest.json", b'[{"name": "app"}]'),
                                    entry("index.json", b"{}"), entry("bin")]))
        self.assertEqual(sorted(found), ["bin", "index.json", "manifest.json"])
        self.assertFalse(os.path.exists(os.path.join(self.path("root"), "image.json")))
        shutil.rmtree(self.path("root"))
        self.refused(self.path("image.tar"), "no container image", "--image", "x")
        os.mkdir(self.path("empty"))
        self.refused(self.path("empty"), "no container image")


class Docker(Case):
    def save(self, layers, tags=("i:latest",), platform=ARM, names=None):
        """What `docker save` writes: its entries."""
        tars = [make_tar(layer) for layer in layers]
        config = json.dumps(dict(platform, rootfs={"diff_ids": [digest(t) for t in tars]})).encode()
        names = names or ["%d/layer.tar" % i for i in range(len(tars))]
        about = {"Config": "config.json", "RepoTags": list(tags), "Layers": names}
        return [entry("config.json", config)] + [
            entry(name, data) for name, data in zip(names, tars)], about

    def pack(self, entries, *about):
        return make_tar(entries + [entry("manifest.json", json.dumps(about).encode())])

    def test_layers(self):
        """its layers are applied like any others"""
        entries, about = self.save([BASE, [entry("etc/.wh.a", b"")]])
        found = self.make(self.pack(entries, about))
        self.assertNotIn("etc/a", found)
        self.assertEqual(found["bin/sh"], "shell")

    def test_repeated_layer(self):
        """a layer that is a symlink to another one is found"""
        entries, about = self.save([BASE])
        entries += [link("twin/layer.tar", "../0/layer.tar")]
        about["Layers"] = ["twin/layer.tar"]
        self.assertEqual(self.make(self.pack(entries, about))["bin/sh"], "shell")

    def test_damaged(self):
        """its layers are checked against the configuration"""
        entries, about = self.save([BASE])
        other, _ = self.save([[entry("x", b"")]])
        self.refused(self.write("i.tar", self.pack([entries[0], other[1]], about)), "damaged")

    def test_names(self):
        """of several images one is named"""
        entries, about = self.save([BASE])
        twice = self.pack(entries, about, dict(about, RepoTags=["j:old"]))
        self.refused(self.write("i.tar", twice), "i:latest, j:old")
        self.make(twice, "--image", "j:old")

    def test_outside(self):
        """names that leave the archive reach nothing"""
        self.write("secret.tar", make_tar(BASE))
        for name in ("../secret.tar", self.path("secret.tar"), "../../../../../" + self.path("secret.tar")):
            entries, about = self.save([BASE])
            self.refused(self.write("i.tar", self.pack(entries, dict(about, Layers=[name]))),
                         "layer 1 of the image")
            entries, about = self.save([BASE])
            entries[1] = link("0/layer.tar", name)
            self.refused(self.write("i.tar", self.pack(entries, about)), "layer 1 of the image")
            folder = self.path("folder")
            os.makedirs(os.path.join(folder, "0"))
            os.symlink(name, os.path.join(folder, "0/layer.tar"))
            for file, data in (("config.json", entries[0][1]),
                               ("manifest.json", json.dumps([about]).encode())):
                with open(os.path.join(folder, file), "wb") as out:
                    out.write(data)
            self.refused(folder, "layer 1 of the image")
            shutil.rmtree(folder)


class Bad(Case):
    def test_damage(self):
        """a blob that is not what its digest says is refused, wherever it is"""
        for kind in ("config", "manifest", "layer"):
            layout = simple([BASE, [entry("x", b"")]])
            index = json.loads(layout.files["index.json"])["manifests"][0]["digest"]
            manifest = json.loads(layout.files["blobs/sha256/" + index[7:]])
            name = {"manifest": index, "config": manifest["config"]["digest"],
                    "layer": manifest["layers"][1]["digest"]}[kind]
            name = "blobs/sha256/" + name[7:]
            data = layout.files[name]
            layout.files[name] = gzip.compress(make_tar([entry("evil", b"")])) if kind == "layer" \
                else data + b" "
            self.refused(layout, "damaged")
            layout.files[name] = data[:len(data) // 2]
            self.refused(layout, "layer 2 of the image" if kind == "layer" else "damaged")
            del layout.files[name]
            self.refused(layout, "No such file")

    def test_content_digest(self):
        """a layer whose contents are not what the configuration says is refused"""
        other = digest(make_tar([entry("x", b"")]))
        self.refused(simple([BASE], about={"rootfs": {"diff_ids": [other]}}), "layer 1 of the image")
        self.refused(simple([BASE], about={"rootfs": {"diff_ids": []}}), "1 layers")

    def test_nonsense(self):
        """descriptions that are none are refused with the reason"""
        layout = Layout()
        for index, want in ((b"", "index.json"), (b"{", "no JSON"), (b"[]", "not for linux/arm64"),
                            (b"\0\0", "no JSON"), (b"[" * 100000, "no JSON"),
                            (b'{"manifests": 7}', "not for linux/arm64"),
                            (b'{"manifests": [{"digest": "md5:00"}]}', "unknown kind"),
                            (b'{"manifests": [{"digest": "sha256:../../../../etc/passwd"}]}',
                             "bad digest"),
                            (b'{"manifests": [{"digest": 12}]}', "unknown kind")):
            layout.files["index.json"] = index
            self.refused(layout, want)

    def test_circle(self):
        """indexes that go on and on are refused"""
        layout = Layout()
        at = layout.image([BASE])
        for _ in range(6):
            at = layout.index(at)
        self.refused(layout.close(at), "too deep")

    def test_artifact(self):
        """something that is no image is said to be so"""
        layout = Layout()
        config = layout.blob({}, "x", mediaType="application/vnd.cncf.helm.config.v1+json")
        at = layout.image([BASE], manifest={"config": config})
        self.refused(layout.close(at), "helm")

    def test_escapes(self):
        """layers that name something outside the root are refused, or stay inside"""
        self.write("canary", b"alive")
        target = self.path("canary")
        for bad, want in (([entry("../../../../" + target, b"dead")], "leads out"),
                          ([entry("a/../../x", b"")], "leads out"),
                          ([hard("stolen", target)], "hard link"),
                          ([hard("stolen", "../../../../" + target)], "leads out"),
                          ([link("way", "/"), hard("stolen", "way" + target)], "hard link"),
                          ([entry("a/.wh...", b"")], "hides nothing"),
                          ([entry("a/.wh..", b"")], "hides nothing"),
                          ([entry("a/.wh.", b"")], "hides nothing")):
            self.refused(simple([BASE, bad]), want)
        for odd in ([link("way", target), entry("way", b"mine")],
                    [link("way", os.path.dirname(target)), entry(".wh.way", b"")],
                    [entry("/" + "abs", b"inside")]):
            self.make(simple([BASE, odd]))
            shutil.rmtree(self.path("root"))
        with open(target, "rb") as canary:
            self.assertEqual(canary.read(), b"alive")

    def test_whole_root_hidden(self):
        """a mark in the root hides all of it, and nothing else"""
        found = self.make(simple([BASE, [entry(".wh..wh..opq", b""), entry("only", b"1")]]))
        self.assertEqual(found, {"only": "1"})

    def test_layer_is_no_archive(self):
        """a layer that is no archive is refused"""
        self.refused(simple([b"not a tar at all" * 100]), "layer 1 of the image")

    def test_full_destination(self):
        """an existing root is not touched"""
        self.make(simple([BASE]))
        done = tool("fakefsify", self.path("image.tar"), self.path("root"))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.listing()["bin/sh"], "shell")


if __name__ == "__main__":
    unittest.main()
