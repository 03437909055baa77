"""Runs a program that tests a file system, on one kind of them:
    fs_kinds.py KIND ISH FAKEFSIFY NATIVE GUEST argument ...
KIND is native (the host's own), fakefs, hostfs or tmpfs. In the arguments @ is a directory of that
kind, and "random" a number of its own for every run."""
import os
import random
import subprocess
import sys
import tarfile
import tempfile


def make_root(dir, fakefsify, guest):
    """A root with the program in it, made from an archive."""
    archive, root = os.path.join(dir, "in.tar"), os.path.join(dir, "root")
    with tarfile.open(archive, "w") as tar:
        for part in ("dev", "proc", "sys", "tmp", "bin", "etc"):
            info = tarfile.TarInfo(part)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        tar.add(guest, "bin/program")
    subprocess.run([fakefsify, archive, root], check=True, stderr=subprocess.DEVNULL)
    return root


def main():
    kind, ish, fakefsify, native, guest = sys.argv[1:6]
    seed = str(random.SystemRandom().randrange(1 << 31))
    where = {"native": None, "tmpfs": "/dev/shm"}.get(kind, "/tmp")
    with tempfile.TemporaryDirectory(prefix="ish-fs-", dir="/var/tmp") as dir:
        root = make_root(dir, fakefsify, guest)
        os.mkdir(os.path.join(dir, "work"))
        arguments = [a.replace("@", where or os.path.join(dir, "work")) for a in sys.argv[6:]]
        arguments = [seed if a == "random" else a for a in arguments]
        print("# %s" % " ".join(arguments), flush=True)
        start = {"native": [native],
                 "hostfs": [ish, "-r", os.path.join(root, "data"), "/bin/program"],
                 }.get(kind, [ish, "-f", root, "/bin/program"])
        sys.exit(subprocess.run(start + arguments).returncode)


main()
