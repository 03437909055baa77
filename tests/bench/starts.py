#!/usr/bin/env python3
"""Compares what starting a program costs in ish and under qemu-aarch64-static.

    tests/bench/starts.py [--rounds 15] [--program dash] [--limit 0.6]

The programs are those of the base root (roots/base) and of the python lane (roots/python), started
from the outside: the figure is all CPU time, user and system, of the emulator's own process from
its first instruction on, what it needs to open the root included. The systems take turns. With
--limit, a median ratio above it fails.
"""
import argparse
import os
import shutil
import statistics
import sys

import compare

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "gates"))
import runners  # noqa: E402

# name -> lane, program and arguments
PROGRAMS = {
    "dash": ("base", ["/usr/bin/dash", "-c", ":"]),
    "bash": ("base", ["/usr/bin/bash", "-c", ":"]),
    "true": ("base", ["/usr/bin/true"]),
    "perl": ("base", ["/usr/bin/perl", "-e", "1"]),
    "python3": ("python", ["/usr/bin/python3.11", "-c", "pass"]),
}


def ish_command(ish, root, program):
    command = [ish, "--clear-env", "-f", root]
    for item in sorted(runners.ENVIRONMENT.items()):
        command += ["-e", "%s=%s" % item]
    return command + program


def qemu_command(qemu, root, program):
    return [qemu, "-L", root, root + program[0]] + program[1:]


def sample(systems, rounds):
    """system name -> CPU seconds of each round; None when a run failed."""
    taken = {name: [] for name in systems}
    for _ in range(rounds):
        for name, command in systems.items():
            one = compare.measure(command, runners.ENVIRONMENT, 60)
            if one is None:
                return None
            taken[name].append(one.seconds)
    return taken


def roots_for(folder, names):
    """lane -> unpacked tree for qemu. ish has its own imports under roots/."""
    trees = {}
    for lane in {PROGRAMS[name][0] for name in names}:
        tree = os.path.join(folder, "tree-" + lane)
        if not os.path.isdir(tree):
            partial = tree + ".partial"
            shutil.rmtree(partial, ignore_errors=True)
            runners.Runner().unpack(runners.archive_of(lane, "arm64"), partial)
            os.rename(partial, tree)
        trees[lane] = tree
    return trees


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ish", default=os.path.join(TOP, "build-arm64-linux", "ish"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--program", action="append", choices=sorted(PROGRAMS))
    parser.add_argument("--limit", type=float)
    parser.add_argument("--folder", default=os.path.join(TOP, "out", "bench"))
    options = parser.parse_args()
    names = options.program or list(PROGRAMS)
    os.makedirs(options.folder, exist_ok=True)
    trees = roots_for(options.folder, names)
    qemu = shutil.which(compare.QEMU) or sys.exit("starts: %s is not installed" % compare.QEMU)
    failed = False
    print("| program | qemu ms | ish ms | ish / qemu |\n|---|---:|---:|---:|")
    for name in names:
        lane, program = PROGRAMS[name]
        root = os.path.join(TOP, "roots", lane)
        if not os.path.isdir(root):
            sys.exit("starts: no root at %s; `make root-%s`" % (root, lane))
        taken = sample({"qemu": qemu_command(qemu, trees[lane], program),
                        "ish": ish_command(options.ish, root, program)}, options.rounds)
        if taken is None:
            print("| %s | failed | | |" % name)
            failed = True
            continue
        theirs, ours = (statistics.median(taken[key]) for key in ("qemu", "ish"))
        print("| %s | %.1f | %.1f | %.2f |" % (name, theirs * 1000, ours * 1000, ours / theirs),
              flush=True)
        failed |= bool(options.limit) and ours / theirs > options.limit
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
