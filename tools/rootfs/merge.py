"""Merges packages into one root archive, tar to tar.

Nothing is unpacked on the host: owners, modes, set-id bits, hard links and devices go from the
packages' archives straight into the result, so no rights are needed. /bin, /sbin and /lib are
links into /usr, as on every current Debian, and members are renamed on their way in.
The same input gives the same bytes: times are limited to one epoch and names of owners dropped.
"""
import gzip
import hashlib
import io
import subprocess
import tarfile

MERGED = ("bin", "sbin", "lib", "lib64")


def canonical(path):
    """Member name -> path in the merged root, without leading or trailing slash."""
    path = path.removeprefix("./").strip("/")
    if path == ".":
        return ""
    top, slash, _ = path.partition("/")
    return "usr/" + path if slash and top in MERGED else path


class RootTar:
    """The archive being written. A path is written once: the first owner wins."""

    def __init__(self, path, epoch, links):
        """`links`: links of the root folder, {"bin": "usr/bin", ...}; their targets are made too."""
        self.epoch = epoch
        self.seen = {}
        self._open(path)
        for target in sorted(set(links.values())):
            self.directory(target)
        for name, target in sorted(links.items()):
            self.symlink(name, target)

    def _open(self, path):
        self._raw = self._zstd = None
        if path.endswith((".zst", ".zst.partial")):
            self._zstd = subprocess.Popen(["zstd", "-q", "-T0", "-3", "-f", "-o", path],
                                          stdin=subprocess.PIPE)
            stream = self._zstd.stdin
        elif path.endswith((".gz", ".gz.partial")):
            self._raw = open(path, "wb")
            stream = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0)
        else:
            stream = open(path, "wb")
        self._stream = stream
        self._tar = tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)

    def close(self):
        self._tar.close()
        self._stream.close()
        if self._raw:
            self._raw.close()
        if self._zstd and self._zstd.wait():
            raise OSError("zstd failed")

    def _put(self, info, data=None):
        info.mtime = int(min(info.mtime, self.epoch))
        info.uname = info.gname = ""
        info.pax_headers = {}
        self._tar.addfile(info, data)
        self.seen[info.name] = info.type

    def _parents(self, path):
        parts = path.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            parent = "/".join(parts[:end])
            if self.seen.get(parent, tarfile.DIRTYPE) != tarfile.DIRTYPE:
                raise ValueError("%s: %s is not a directory" % (path, parent))
            self.directory(parent)

    def _info(self, path, kind, mode, uid, gid):
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.uid, info.gid, info.mtime = kind, mode, uid, gid, self.epoch
        return info

    def directory(self, path, mode=0o755, uid=0, gid=0):
        if path in self.seen:
            return
        self._parents(path)
        self._put(self._info(path, tarfile.DIRTYPE, mode, uid, gid))

    def file(self, path, body, mode=0o644, uid=0, gid=0):
        if path in self.seen:
            return
        self._parents(path)
        body = body.encode() if isinstance(body, str) else body
        info = self._info(path, tarfile.REGTYPE, mode, uid, gid)
        info.size = len(body)
        self._put(info, io.BytesIO(body))

    def symlink(self, path, target):
        if path in self.seen:
            return
        self._parents(path)
        info = self._info(path, tarfile.SYMTYPE, 0o777, 0, 0)
        info.linkname = target
        self._put(info)

    def member(self, info, data):
        """A member of another archive, whose name is canonical already; False when it is not new."""
        if not info.name or info.name in self.seen or (info.name in MERGED and not info.isreg()):
            return False
        self._parents(info.name)
        if info.islnk():
            info.linkname = canonical(info.linkname)
        self._put(info, data)
        return True


class Merged:
    """What merging one package left behind, for dpkg's database."""

    def __init__(self, package):
        self.package = package
        self.listing = []
        self.conffile_md5 = {}


def merge_package(root, package):
    """Adds the files of one package to `root`."""
    merged = Merged(package)
    conffiles = set(package.conffiles)
    with package.members() as archive:
        for member in archive:
            path = "/" + member.name.removeprefix("./").strip("/")
            path = "/." if path in ("/", "/.") else path
            merged.listing.append(path)
            data = archive.extractfile(member) if member.isreg() else None
            if path in conffiles and data:
                body = data.read()
                merged.conffile_md5[path] = hashlib.md5(body).hexdigest()
                data = io.BytesIO(body)
            member.name = canonical(member.name)
            root.member(member, data)
    return merged
