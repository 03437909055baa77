"""Runs a probe on the host's Linux and in ish and compares what they print, one TAP check for each
line: twin.py NATIVE ISH GUEST"""
import difflib
import os
import shutil
import subprocess
import sys
import tempfile

TIMEOUT_S = 100


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          timeout=TIMEOUT_S)
    return done.stdout.decode(errors="replace").splitlines() + ["exit status %d" % done.returncode]


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
    expected = run([native])
    try:
        got = run_in_ish(ish, guest)
    except subprocess.TimeoutExpired as error:
        got = (error.stdout or b"").decode(errors="replace").splitlines() + ["(timed out)"]
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
