#!/usr/bin/env python3
"""Shows what many tasks at once cost, with limits that fail.

    tests/bench/storms.py [--ish build-arm64-linux/ish] [--rounds 5]

- fork of a process of 200 MB: CPU time of one, at most that of the host's own fork of the same
- 100 tasks asleep: how often ish's threads are woken in two seconds (none may)
- a thread that maps, touches and unmaps beside eight busy ones: the CPU time that adds to theirs,
  at most three times that of the same loop alone
"""
import argparse
import glob
import os
import statistics
import subprocess
import sys
import time

import compare

FORKS, LOOPS, ASLEEP = 20, 40, 8


def seconds(system, workload, scale):
    sample = compare.measure(system.command(workload, scale), system.environment, 120)
    if sample is None:
        sys.exit("storms: %s failed under %s" % (workload, system.name))
    return sample.seconds


def median_of(rounds, sample):
    return statistics.median(sample() for _ in range(rounds))


def fork_of(system):
    """Of one fork of the large process."""
    return (seconds(system, "forkbig", FORKS + 1) - seconds(system, "forkbig", 1)) / FORKS


def wakes(pid):
    """How often the threads of a process have gone to sleep of their own will so far."""
    total = 0
    for path in glob.glob("/proc/%d/task/*/status" % pid):
        with open(path) as status:
            total += sum(int(line.split()[1]) for line in status
                         if line.startswith("voluntary_ctxt_switches"))
    return total


def sleeper_wakes(system):
    process = subprocess.Popen(system.command("sleepers", ASLEEP), env=system.environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    time.sleep(ASLEEP / 2)
    before = wakes(process.pid)
    time.sleep(2)
    after = wakes(process.pid)
    if process.wait():
        sys.exit("storms: sleepers failed")
    return after - before


def unmap_beside_busy(system):
    """What the loop costs beside busy threads, as a multiple of the loop alone."""
    alone = seconds(system, "unmap", LOOPS) - seconds(system, "unmap", 1)
    beside = seconds(system, "unmapbusy", LOOPS) - seconds(system, "busy", 1)
    return beside / alone


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ish", default="build-arm64-linux/ish")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", default="out/bench")
    options = parser.parse_args()
    options.systems = ["ish"]
    os.makedirs(options.out, exist_ok=True)
    native, ish = compare.systems(options, options.out)
    theirs = median_of(options.rounds, lambda: fork_of(native))
    ours = median_of(options.rounds, lambda: fork_of(ish))
    rows = [("fork of 200 MB, ish / native", ours / theirs, 1.0),
            ("wake-ups of 100 sleeping tasks in 2 s", sleeper_wakes(ish), 0),
            ("unmapping beside 8 busy threads / alone",
             median_of(options.rounds, lambda: unmap_beside_busy(ish)), 3.0)]
    print("| what | figure | limit |\n|---|---:|---:|")
    for name, figure, limit in rows:
        print("| %s | %.2f | %.2f |" % (name, figure, limit))
    sys.exit(1 if any(figure > limit for _, figure, limit in rows) else 0)


if __name__ == "__main__":
    main()
