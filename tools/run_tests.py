#!/usr/bin/env python3
"""Runs the tests of a build directory and counts every promise they check.

    tools/run_tests.py BUILD [--suite NAME ...] [--test NAME ...] [--slower N] [--verbose]

meson runs the tests and enforces each one's time limit; this script reads its log and counts TAP
lines one by one, so that a file with forty checks counts as forty. The last line is
`N passed, N failed` (`, N skipped` when there are any); the exit status is 0 only when nothing
failed and something ran.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys

# Suites that only run when they are asked for by name.
ON_DEMAND = ("isa-long", "gates-long", "long", "slow")
# Suites a full run must have had: tests that were never configured must not pass unnoticed.
EXPECTED = ("unit", "guest", "isa", "cli", "gates", "tools", "check")
TAP_LINE = re.compile(r"^(not )?ok\b\s*\d*\s*(?:- )?(.*)$")


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def line(self):
        text = "%d passed, %d failed" % (self.passed, self.failed)
        return text + (", %d skipped" % self.skipped if self.skipped else "")


def tap_results(output):
    """Yields (state, name) of each TAP result line: passed, failed or skipped."""
    for line in output.splitlines():
        found = TAP_LINE.match(line)
        if not found:
            continue
        name, _, directive = found.group(2).partition("#")
        directive = directive.strip().lower()
        if directive.startswith("skip"):
            yield "skipped", name.strip()
        elif found.group(1):
            # No directive excuses a failure: nothing here is allowed to be known broken.
            yield "failed", name.strip()
        else:
            yield "passed", name.strip()


def judge(record):
    """One entry of meson's log -> (list of (state, name), True when the test as a whole failed)."""
    results = list(tap_results(record.get("stdout") or ""))
    good = record["result"] in ("OK", "SKIP")
    if not results:
        state = {"OK": "passed", "SKIP": "skipped"}.get(record["result"], "failed")
        return [(state, record["name"])], not good
    if not good and not any(state == "failed" for state, _ in results):
        # All lines it printed were fine, yet it crashed, hung, or broke off before its plan.
        results.append(("failed", "%s ended with %s" % (record["name"], record["result"])))
    return results, not good


def read_log(path):
    with open(path) as log:
        return [json.loads(line) for line in log if line.strip()]


def missing_suites(records):
    """Suites of a full run that no test belonged to."""
    seen = set()
    for record in records:  # meson names a test `project:suite+suite / name`
        seen.update(record["name"].partition(" / ")[0].rpartition(":")[2].split("+"))
    return [name for name in EXPECTED if name not in seen]


def report_failure(record, results, verbose):
    print("\nFAILED %s (%s, exit %s)" % (record["name"], record["result"], record.get("returncode")))
    for state, name in results:
        if state == "failed":
            print("  not ok: " + name)
    for stream in ("stdout", "stderr"):
        lines = (record.get(stream) or "").rstrip().splitlines()
        shown = lines if verbose else lines[-30:]
        if shown:
            print("  --- %s%s" % (stream, "" if len(shown) == len(lines) else " (its end)"))
            print("\n".join("  " + line for line in shown))


def run_meson(build, suites, tests, slower):
    log = os.path.join(build, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.remove(log)
    command = ["meson", "test", "-C", build, "--no-rebuild", "--timeout-multiplier", str(slower)]
    for name in suites:
        command += ["--suite", name]
    if not suites:
        for name in ON_DEMAND:
            command += ["--no-suite", name]
    command += tests
    status = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
    return status, read_log(log) if os.path.exists(log) else []


def default_signals():
    """What nohup or a job in the background left ignored would be ignored in the tests too, whose
    subject signals are."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--test", action="append", default=[], help="only the tests so named")
    parser.add_argument("--slower", type=int, default=1, metavar="N",
                        help="N times each test's time limit, for builds that check what they do")
    parser.add_argument("--verbose", action="store_true", help="whole output of failed tests")
    options = parser.parse_args()

    default_signals()
    status, records = run_meson(options.build, options.suite, options.test, options.slower)
    count = Count()
    any_failed = False
    for record in records:
        results, failed = judge(record)
        for state, _ in results:
            setattr(count, state, getattr(count, state) + 1)
        any_failed |= failed
        if failed:
            report_failure(record, results, options.verbose)
    if not options.suite and not options.test:
        for name in missing_suites(records):
            print("\nFAILED no test of the suite %s was configured" % name)
            count.failed += 1
    if status and not any_failed:
        print("meson test ended with status %d" % status)
        count.failed += 1
    print("\n" + count.line(), flush=True)
    sys.exit(1 if count.failed or not count.passed else 0)


if __name__ == "__main__":
    main()
