#!/usr/bin/env python3
"""Which branches of kernel/ the tests take.

    tools/coverage.py                     everything anew: build, suites unit, guest and cli, table
    tools/coverage.py --test NAME ...     build, only these tests, added to what is counted so far
    tools/coverage.py --suite NAME ...    the same for whole suites
    tools/coverage.py --report            the table of what is counted so far, nothing run
    tools/coverage.py --file F ...        the branches of kernel files never taken, nothing run

A branch is one outcome of a condition, true or false. The counters are pages shared with a file in
BUILD/profile, so that processes that are killed count like any other. Counts of a function last until
its conditions change; --fresh drops them all. Nothing in kernel/ is left out.
"""
import argparse
import glob
import json
import os
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITES = ("unit", "guest", "cli")


def fail(message):
    sys.exit("coverage.py: " + message)


def tool(name):
    """LLVM's tools of the pinned compiler's version first: the formats change."""
    path = shutil.which(name + "-19") or shutil.which(name)
    return path or fail("%s-19 is not installed" % name)


def run(command, **options):
    return subprocess.run(command, check=True, cwd=TOP, **options)


def build(directory):
    if not os.path.exists(os.path.join(directory, "build.ninja")):
        compiler = os.environ.get("CC") or shutil.which("clang-19") or "clang"
        run(["meson", "setup", directory, "-Dcoverage=true"], env=dict(os.environ, CC=compiler),
            stdout=subprocess.DEVNULL)
    run(["ninja", "-C", directory, "-j", str(os.cpu_count()), "--quiet"])


def run_tests(directory, suites, tests):
    """A failed test is shown and counts what it took; the table still comes."""
    command = [sys.executable, "tools/run_tests.py", directory, "--slower", "3"]
    for name in suites:
        command += ["--suite", name]
    for name in tests:
        command += ["--test", name]
    subprocess.run(command, cwd=TOP)


def programs(directory):
    """The programs that count: those with the compiler's map of branches in them."""
    found = []
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            if "." in name or os.path.islink(path) or not os.access(path, os.X_OK):
                continue
            with open(path, "rb") as program:
                if b"__llvm_covmap" in program.read():
                    found.append(path)
    return sorted(found)


def export(directory, *options):
    """What llvm-cov knows of each file of kernel/: {name: entry}"""
    profile = os.path.join(directory, "profile")
    raw = [p for p in glob.glob(os.path.join(profile, "*.profraw")) if os.path.getsize(p)]
    objects = programs(directory)
    if not raw or not objects:
        fail("nothing is counted in %s yet" % directory)
    merged = os.path.join(profile, "merged")
    run([tool("llvm-profdata"), "merge", "-o", merged] + raw)
    command = [tool("llvm-cov"), "export", "-instr-profile", merged, *options, objects[0]]
    for path in objects[1:]:
        command += ["-object", path]
    # It warns of functions that changed since they were counted.
    out = run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    entries = {os.path.relpath(e["filename"], TOP): e for e in json.loads(out)["data"][0]["files"]}
    return {name: entry for name, entry in entries.items() if name.startswith("kernel/")}


def show_table(entries):
    rows = []
    for name, entry in entries.items():
        sums = entry["summary"]["branches"]
        if sums["count"]:
            rows.append((sums["notcovered"], sums["count"], name))
    rows.sort(key=lambda row: (-row[0], row[2]))
    rows.append((sum(row[0] for row in rows), sum(row[1] for row in rows), "total"))
    print("%-32s %8s %8s %8s" % ("file", "branches", "missed", "taken"))
    for missed, all_, name in rows:
        print("%-32s %8d %8d %7.1f%%" % (name, all_, missed, 100 * (all_ - missed) / all_))


def show_file(name, entry):
    with open(os.path.join(TOP, name)) as source:
        lines = source.read().splitlines()
    places = {}  # a condition of a macro is there once for each use
    for record in entry["branches"]:
        places.setdefault(tuple(record[:4]), []).append(record[4:6])
    for (line, column, end, end_column), uses in sorted(places.items()):
        if end > len(lines):
            fail("%s changed since it was built" % name)
        text = lines[line - 1][column - 1:end_column - 1 if end == line else None]
        text += " ..." if end != line else ""
        for outcome, word in enumerate(("true", "false")):
            missed = sum(not use[outcome] for use in uses)
            if missed:
                print("%s:%d: never %s: %s%s" % (name, line, word, text, "" if len(uses) == 1 else
                                                 "  [%d of %d uses]" % (missed, len(uses))))
    sums = entry["summary"]["branches"]
    print("%s: %d of %d never taken" % (name, sums["notcovered"], sums["count"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", default="build-cov")
    parser.add_argument("--fresh", action="store_true", help="drop what was counted before")
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--test", action="append", default=[])
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--file", action="append", default=[])
    options = parser.parse_args()
    directory = os.path.join(TOP, options.build)

    named = options.suite or options.test
    if named or not (options.report or options.file):
        build(directory)
        if options.fresh or not named:
            shutil.rmtree(os.path.join(directory, "profile"), ignore_errors=True)
        run_tests(directory, options.suite or ([] if options.test else SUITES), options.test)
    if options.file:
        entries = export(directory, "-skip-functions")
        for name in options.file:
            name = name if name.startswith("kernel/") else "kernel/" + name
            show_file(name, entries.get(name) or fail("no branch is known of " + name))
    else:
        show_table(export(directory, "-summary-only"))


if __name__ == "__main__":
    main()
