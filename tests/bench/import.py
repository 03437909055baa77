#!/usr/bin/env python3
"""Shows what fakefsify takes for an archive, against bsdtar on the same.

    tests/bench/import.py [--tools build-arm64-linux] [--tree /usr/include ...] [--rounds 5]

Both make the tree from a tar of it in a folder of their own, in turns; the figure is how fast
fakefsify is as a multiple of bsdtar: CPU time of the processes, best of the rounds. It fails below
0.7.
"""
import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile


def seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tools", default="build-arm64-linux")
    parser.add_argument("--tree", nargs="+", default=["usr/include", "usr/share/doc", "usr/share/man"])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if not shutil.which("bsdtar"):
        sys.exit("import: no bsdtar to compare with")
    folder = tempfile.mkdtemp(prefix="ish-import-", dir=os.environ.get("TMPDIR"))
    try:
        tar = os.path.join(folder, "tree.tar")
        subprocess.run(["bsdtar", "-cf", tar, "-C", "/"] + [t.lstrip("/") for t in options.tree],
                       check=True)
        count = len(subprocess.run(["bsdtar", "-tf", tar], check=True, stdout=subprocess.PIPE)
                    .stdout.splitlines())
        times = {"bsdtar": [], "fakefsify": []}
        for number in range(options.rounds):
            theirs, ours = (os.path.join(folder, "%s%d" % (who, number)) for who in times)
            os.mkdir(theirs)
            times["bsdtar"].append(seconds(["bsdtar", "-xpf", tar, "-C", theirs]))
            times["fakefsify"].append(
                seconds([os.path.join(options.tools, "fakefsify"), tar, ours]))
            shutil.rmtree(theirs)
            shutil.rmtree(ours)
    finally:
        shutil.rmtree(folder)
    theirs, ours = min(times["bsdtar"]), min(times["fakefsify"])
    print("| what | figure | limit |\n|---|---:|---:|")
    print("| import of %d entries, speed / bsdtar's (%.2f s) | %.2f | 0.70 |"
          % (count, theirs, theirs / ours))
    sys.exit(theirs / ours < 0.7)


if __name__ == "__main__":
    main()
