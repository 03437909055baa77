"""Runs a probe on the host's Linux and in ish and compares what they print, one TAP check for each
line: twin.py NATIVE ISH GUEST [FAKEFSIFY]

With FAKEFSIFY the probe works on files of a disk, named by its argument: the host's own file system
there, a root made by it here."""
import difflib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

TIMEOUT_S = 100
UNABLE = "exit status 77"  # PROBE_UNABLE of probe.h


def run(command):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              timeout=TIMEOUT_S)
        output, end = done.stdout, "exit status %d" % done.returncode
    except subprocess.TimeoutExpired as error:
        output, end = error.stdout or b"", "%s timed out" % command[0]
    return output.decode(errors="replace").splitlines() + [end]


def run_on_disk(native, ish, program, fakefsify):
    """The same question to the host's file system and to a root."""
    with tempfile.TemporaryDirectory(prefix="ish-twin-", dir="/var/tmp") as disk:
        os.chmod(disk, 0o755)
        os.mkdir(os.path.join(disk, "host"), 0o755)
        name = os.path.basename(program).split(".")[0]
        archive = os.path.join(disk, "in.tar")
        with tarfile.open(archive, "w") as tar:
            for part in ("dev", "proc", "sys", "tmp", "bin", "etc"):
                info = tarfile.TarInfo(part)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            tar.add(program, "bin/" + name)
        root = os.path.join(disk, "root")
        subprocess.run([fakefsify, archive, root], check=True, stderr=subprocess.DEVNULL)
        return (run([native, os.path.join(disk, "host")]),
                run([ish, "-f", root, "-w", "/", "/bin/" + name, "/tmp"]))


def run_in_ish(ish, program):
    with tempfile.TemporaryDirectory(prefix="ish-twin-") as root:
        os.chmod(root, 0o755)
        for name in ("dev", "proc", "sys", "tmp", "bin"):
            os.mkdir(os.path.join(root, name))
        name = os.path.basename(program).split(".")[0]
        shutil.copy(program, os.path.join(root, "bin", name))
        return run([ish, "-r", root, "-w", "/", "/bin/" + name])


def main():
    native, ish, guest = sys.argv[1:4]
    if len(sys.argv) > 4:
        expected, got = run_on_disk(native, ish, guest, sys.argv[4])
    else:
        expected, got = run([native]), run_in_ish(ish, guest)
    if expected[-1] == UNABLE:
        print("1..0 # SKIP on the host: " + expected[-2])
        return
    count = 0
    for tag, a, b, c, d in difflib.SequenceMatcher(None, expected, got, False).get_opcodes():
        if tag == "equal":
            for line in expected[a:b]:
                count += 1
                print("ok %d - %s" % (count, line.replace("#", " ")))
            continue
        count += 1
        print("not ok %d - %s" % (count, (expected[a:b] or ["(nothing)"])[0].replace("#", " ")))
        for line in expected[a:b]:
            print("# linux: " + line)
        for line in got[c:d]:
            print("# ish:   " + line)
    print("1..%d" % count)


main()
