"""Runs one guest program in ish and under qemu-user, whose output and exit status are the reference:
compare.py ISH PROGRAM

compare.py ISH --musl-cxx SOURCE: the program is SOURCE built against musl, if what that takes has
been fetched (tools/rootfs/musl_cxx.py --fetch); otherwise the test is skipped.
"""
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MUSL_CXX = os.path.join(TOP, "tools", "rootfs", "musl_cxx.py")
QEMU = shutil.which("qemu-aarch64-static")
NOT_THERE = 3


def skip(reason):
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=100, env={"PATH": "/bin"})
    return done.stdout.splitlines() + ["exit status %d" % done.returncode]


def main():
    ish = os.path.abspath(sys.argv[1])
    if not QEMU:
        skip("no qemu-aarch64-static to compare with")
    with tempfile.TemporaryDirectory(prefix="ish-compare-") as root:
        program = os.path.join(root, "program")
        if sys.argv[2] == "--musl-cxx":
            built = subprocess.run([sys.executable, "-B", MUSL_CXX, sys.argv[3], program], text=True,
                                   stderr=subprocess.PIPE)
            if built.returncode == NOT_THERE:
                skip(built.stderr.strip().replace("\n", "; "))
            if built.returncode:
                sys.exit(built.stderr)
        else:
            shutil.copy(sys.argv[2], program)
        for name in ("dev", "proc", "sys", "tmp"):
            os.mkdir(os.path.join(root, name))
        wanted, seen = run(QEMU, program), run(ish, "-r", root, "/program")
    print("1..1")
    print("%s 1 - prints and returns what it does under qemu" % ("ok" if seen == wanted else "not ok"))
    for name, lines in (("qemu", wanted), ("ish", seen)):
        if seen != wanted:
            print("\n".join("# %s: %s" % (name, line) for line in lines))
    sys.exit(seen != wanted)


main()
