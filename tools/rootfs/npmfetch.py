"""Fetches prebuilt arm64 programs from npm with the host's npm client, and adds them under /opt/npm.

A specification is `name@version` or, pinned by content, `name@version#sha512-...`. Nothing is
installed or run on the host: the packed archive is all that is used.
"""
import base64
import hashlib
import os
import re
import shutil
import subprocess
import tarfile


class NpmError(Exception):
    pass


def split_specification(text):
    """`@scope/name@1.2.3#sha512-x` -> ("@scope/name", "1.2.3", "sha512-x" or "")."""
    found = re.match(r"(@[^/@]+/[^/@#]+|[^/@#]+)@([^@#]+)(?:#(sha512-[A-Za-z0-9+/=]+))?$", text)
    if not found:
        raise NpmError("not a pinned npm package (name@version): " + text)
    return found.group(1), found.group(2), found.group(3) or ""


def integrity(path):
    digest = hashlib.sha512()
    with open(path, "rb") as data:
        for block in iter(lambda: data.read(1 << 20), b""):
            digest.update(block)
    return "sha512-" + base64.b64encode(digest.digest()).decode()


def fetch(cache, specification):
    """Path of the package's archive in the cache, downloaded when missing."""
    name, version, pinned = split_specification(specification)
    folder = os.path.join(cache, "npm")
    path = os.path.join(folder, "%s@%s.tgz" % (name.replace("/", "+"), version))
    if not os.path.exists(path):
        if not shutil.which("npm"):
            raise NpmError("npm is not installed (tools/setup.sh npm)")
        work = path + ".partial"
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        done = subprocess.run(["npm", "pack", "--silent", "--pack-destination", work,
                               "%s@%s" % (name, version)], cwd=work, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        packed = os.listdir(work)
        if done.returncode or len(packed) != 1:
            raise NpmError("npm pack %s@%s failed: %s" % (name, version, done.stderr.strip()))
        os.replace(os.path.join(work, packed[0]), path)
        os.rmdir(work)
    if pinned and integrity(path) != pinned:
        os.remove(path)
        raise NpmError("%s@%s is not the content that was pinned" % (name, version))
    return path


def add(root, specification, path):
    """Adds a packed archive to the root as /opt/npm/NAME; npm's own top folder is dropped."""
    name = split_specification(specification)[0]
    with tarfile.open(path) as archive:
        for member in archive:
            inside = member.name.partition("/")[2]
            if member.isreg() and ".." not in inside.split("/"):
                body = archive.extractfile(member).read()
                root.file("opt/npm/%s/%s" % (name, inside), body,
                          mode=0o755 if member.mode & 0o100 else 0o644)
