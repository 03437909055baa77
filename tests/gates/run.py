#!/usr/bin/env python3
"""Runs a gate: the rows of the tables beside this file, under any runner.

    tests/gates/run.py --gate runtime-coverage [--runner ish|qemu|native|'COMMAND {root}']

Settings from the environment: ISH_BIN (the program under test), ROOTFS (one root for every row),
ROOTFS_LANES (name or name=root, separated by commas or blanks), REPORT_DIR, TIMEOUT_S,
INSTALL_TIMEOUT_S (rows that use the network), RUNNER. A root is an archive, imported afresh for each
worker, or a directory, used as it is. A lane without a root gets the root builder's archive; when no
lane is named, the gate runs on every lane it has rows for.
"""
import argparse
import collections
import concurrent.futures
import fnmatch
import glob
import os
import platform
import subprocess
import sys
import tempfile
import threading

import judge
import report
import runners
import table

def lanes_from(environment, options, rows):
    """lane -> archive, directory, or None for the builder's own archive."""
    lanes = {}
    named = options.lane + environment.get("ROOTFS_LANES", "").replace(",", " ").split()
    for pair in named:
        name, _, path = pair.partition("=")
        lanes[name] = os.path.abspath(path) if path else None
    if environment.get("ROOTFS"):
        for row in rows:
            lanes.setdefault(row.lane, os.path.abspath(environment["ROOTFS"]))
    if not lanes:
        lanes = {row.lane: None for row in rows if wanted(row, options)}
    for name, path in lanes.items():
        if path and not os.path.exists(path):
            sys.exit("no root at %s for the lane %s" % (path, name))
    return lanes


def wanted(row, options):
    """Whether the row was asked for, wherever it has to run."""
    return ((not options.gate or row.gate == options.gate)
            and (not options.stage or row.stage in options.stage)
            and (not options.row or any(fnmatch.fnmatch(row.name, one) for one in options.row)))


def select(rows, options, lanes):
    """(rows to run, {lane: how many rows its absence leaves out})."""
    chosen, left_out = [], collections.Counter()
    for row in rows:
        if not wanted(row, options):
            continue
        if row.lane in lanes:
            chosen.append(row)
        else:
            left_out[row.lane] += 1
    return chosen, left_out


class Gate:
    """Runs groups of rows side by side; a group is the rows of one stage in one lane, in order."""

    def __init__(self, options, runner, compare, lanes, say):
        self.options, self.runner, self.compare = options, runner, compare
        self.lanes, self.say = lanes, say
        self.shared = {path: threading.Lock() for path in lanes.values()
                       if path and os.path.isdir(path)}
        if options.scratch:
            os.makedirs(options.scratch, exist_ok=True)
        self.folder = tempfile.mkdtemp(prefix="gate-", dir=options.scratch)
        self.local = threading.local()

    def roots(self, runner):
        """This worker's roots for one runner."""
        mine = self.local.__dict__.setdefault("roots", {})
        if runner.name not in mine:
            folder = os.path.join(self.folder, "%s-%d" % (runner.name, threading.get_ident()))
            os.makedirs(folder)
            mine[runner.name] = runners.Roots(runner, self.lanes, folder)
        return mine[runner.name]

    def timeout(self, row):
        return self.options.install_timeout if "network" in row.conditions else self.options.timeout

    def expand(self, rows, root):
        for row in rows:
            if "each" not in row.fields:
                yield row
                continue
            words = table.Row(row.name, dict(row.fields, run=row.fields["each"]))
            words.fields.pop("exec", None)
            listed = judge.run_row(self.runner, root, words, self.timeout(row))
            if listed.status or not listed.stdout.split():
                yield row  # cannot be expanded: runs with {} in it, and fails
            yield from row.instances(listed.stdout.split())

    def one(self, row, root):
        other = None
        if self.compare and not row.excuse(self.compare.name):
            other_root = self.roots(self.compare).get(row.lane)
            other = judge.run_row(self.compare, other_root, row, self.timeout(row))
        run = judge.run_row(self.runner, root, row, self.timeout(row))
        return judge.judge(row, run, self.runner.name, other, self.compare and self.compare.name)

    def group(self, lane, rows):
        lock = self.shared.get(self.lanes[lane])
        results = []
        with lock or threading.Lock():
            try:
                root = self.roots(self.runner).get(lane)
            except runners.RunnerError as error:
                results = [judge.Result(row, "fail", str(error), None) for row in rows]
                for result in results:
                    self.say(result)
                return results
            for row in self.expand(rows, root):
                try:
                    result = self.one(row, root)
                except runners.RunnerError as error:
                    result = judge.Result(row, "fail", str(error), None)
                self.say(result)
                results.append(result)
        return results

    def run(self, rows):
        groups = collections.OrderedDict()
        for row in rows:
            groups.setdefault((row.lane, row.stage), []).append(row)
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            futures = [pool.submit(self.group, lane, members)
                       for (lane, _), members in groups.items()]
            results = [result for future in futures for result in future.result()]
        if not self.options.keep:
            subprocess.run(["rm", "-rf", self.folder])
        return results


def parse(arguments):
    environment = os.environ
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gate", help="such as runtime-coverage; docs/TESTING.md")
    parser.add_argument("--runner", default=environment.get("RUNNER") or "ish")
    parser.add_argument("--compare", metavar="RUNNER", help="output must equal this runner's too")
    parser.add_argument("--lane", action="append", default=[], metavar="NAME[=ROOT]")
    parser.add_argument("--stage", action="append", default=[])
    parser.add_argument("--row", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--report", default=environment.get("REPORT_DIR") or "out/gates")
    parser.add_argument("--timeout", type=float, default=float(environment.get("TIMEOUT_S") or 120))
    parser.add_argument("--install-timeout", type=float,
                        default=float(environment.get("INSTALL_TIMEOUT_S") or 1200))
    parser.add_argument("--scratch", help="where roots are unpacked (default: the temporary folder)")
    parser.add_argument("--keep", action="store_true", help="leave the unpacked roots behind")
    parser.add_argument("--tap", action="store_true", help="print TAP")
    parser.add_argument("--list", action="store_true", help="only name the rows")
    return parser.parse_args(arguments)


def facts(options, runner, lanes):
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=runners.TOP, text=True,
                            capture_output=True).stdout.strip()
    yield "commit", commit or "unknown"
    yield "runner", runner.name + (", compared with " + options.compare if options.compare else "")
    yield "host", "%s, %s, %d CPUs" % (platform.machine(), platform.release(), os.cpu_count())
    yield "lanes", ", ".join("%s (%s)" % (name, path or "own archive")
                             for name, path in sorted(lanes.items()))
    yield "time limits", "%g s, %g s with network" % (options.timeout, options.install_timeout)


def main():
    options = parse(sys.argv[1:])
    tables = sorted(glob.glob(os.path.join(runners.HERE, "*.tbl")))
    rows = [row for path in tables for row in table.load(path)]
    lanes = lanes_from(os.environ, options, rows)
    chosen, left_out = select(rows, options, lanes)
    if options.list:
        for row in rows:
            print("%-26s %-10s %-8s %s" % (row.gate, row.stage, row.lane, row.name))
        return
    if not chosen:
        sys.exit("no row matches")
    try:
        runner = runners.make(options.runner)
        compare = runners.make(options.compare) if options.compare else None
    except runners.RunnerError as error:
        sys.exit("gate: %s" % error)

    lock, count = threading.Lock(), [0]

    def say(result):
        with lock:
            count[0] += 1
            print(report.tap_line(count[0], result) if options.tap else report.terminal_line(result),
                  flush=True)
    results = Gate(options, runner, compare, lanes, say).run(chosen)
    title = "Gate %s under %s" % (options.gate or "rows", runner.name)
    os.makedirs(options.report, exist_ok=True)
    path = os.path.join(options.report, "%s-%s.md" % (options.gate or "rows", runner.name))
    with open(path, "w") as out:
        out.write(report.markdown(title, list(facts(options, runner, lanes)), results, left_out))
    if options.tap:
        print("1..%d" % count[0])
    else:
        print("report: %s\n%s" % (path, report.totals(results)))
    sys.exit(1 if any(result.state == "fail" for result in results) else 0)


if __name__ == "__main__":
    main()
