#!/usr/bin/env python3
"""Compares the speed of native, qemu-aarch64-static and ish on the workloads of this folder.

    tests/bench/compare.py [--rounds 5] [--kind integer] [--workload fib] [--instructions]

The systems take turns within a round, so that whatever else the machine does falls on all of them.
The figure is CPU time, user and system, of the whole process tree, with the time of a program that
does nothing taken off; medians over the rounds. A run whose checksum differs from the native one is
reported as wrong, never as a time. --instructions counts host instructions (callgrind) per guest
instruction (a qemu plugin) for single-threaded workloads, as the difference between two scales.
"""
import argparse
import collections
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = ("main.c", "integer.c", "memory.c", "float.c", "call.c", "process.c", "thread.c",
           "storm.c")
FLAGS = ["-O2", "-static", "-pthread"]
QEMU = "qemu-aarch64-static"
# Work per run: some tenths of a second for qemu, and still a measurable time for native.
SCALES = {
    "fib": 60, "sieve": 128, "sha256": 40, "qsort": 48, "vm": 40, "mixed": 256, "hashmap": 96,
    "memcpy64k": 48, "memcpysm": 36, "strlen": 4, "chase": 16, "rand64m": 8, "vecadd": 16,
    "nbody": 24, "mandel": 12, "matmulf": 4, "libm": 24,
    "getpid": 32, "clock": 64, "pipe1": 24, "openstat": 16, "mmap": 16, "signal": 24, "segv": 24,
    "fork": 4, "exec": 2, "thread": 1, "futex": 24, "atomic": 80, "mutex": 40,
    "forkbig": 20, "sleepers": 1, "unmap": 40, "busy": 1, "unmapbusy": 40,
}

Sample = collections.namedtuple("Sample", "seconds output")


class System:
    """A way of running the benchmark program: a command prefix and an environment."""

    def __init__(self, name, prefix, environment=None):
        self.name, self.prefix = name, prefix
        self.environment = dict(os.environ, **(environment or {}))

    def command(self, workload, scale):
        return self.prefix + ([workload, str(scale)] if scale else [workload])


def measure(command, environment, timeout):
    """One run: CPU seconds of its tree and its output, or None when it failed or took too long."""
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               start_new_session=True)
    timer = threading.Timer(timeout, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    output = process.stdout.read().decode("utf-8", "replace").strip()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Sample(usage.ru_utime + usage.ru_stime, output) if status == 0 else None


# ---- making what is run ------------------------------------------------------------------------

def compile_program(compiler, out, flags, sources):
    inputs = [os.path.join(HERE, name) for name in sources]
    newest = max(os.path.getmtime(path) for path in inputs + [os.path.join(HERE, "bench.h")])
    if not os.path.exists(out) or os.path.getmtime(out) < newest:
        subprocess.run([compiler] + flags + ["-o", out] + inputs + ["-lm"], check=True)
    return out


def make_root(ish, folder, program):
    """A root with the program in it, imported by the fakefsify beside ish."""
    archive, root = os.path.join(folder, "root.tar"), os.path.join(folder, "root")
    with tarfile.open(archive, "w") as out:
        out.add(program, "bench")
        for name in ("etc", "tmp", "dev", "proc"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            out.addfile(entry)
        out.add("/etc/passwd", "etc/passwd")
    shutil.rmtree(root, ignore_errors=True)
    importer = os.path.join(os.path.dirname(os.path.abspath(ish)), "fakefsify")
    subprocess.run([importer, archive, root], check=True, stdout=subprocess.DEVNULL)
    return root


def systems(options, folder):
    """The systems asked for, native first: it gives the checksums."""
    native = compile_program("gcc", os.path.join(folder, "bench-native"), FLAGS, SOURCES)
    guest = compile_program("aarch64-linux-gnu-gcc", os.path.join(folder, "bench-arm64"), FLAGS,
                            SOURCES)
    found = [System("native", [native])]
    if "qemu" in options.systems:
        found.append(System("qemu", [QEMU, guest], {"BENCH_EXEC": shutil.which(QEMU) or ""}))
    if "ish" in options.systems:
        if not os.access(options.ish, os.X_OK):
            sys.exit("bench: no program at " + options.ish)
        root = make_root(options.ish, folder, guest)
        found.append(System("ish", [options.ish, "-f", root, "/bench"]))
    return found


# ---- measuring ---------------------------------------------------------------------------------

class Figures:
    """Samples by (system, workload), and what follows from them."""

    def __init__(self, timeout):
        self.timeout = timeout
        self.samples = collections.defaultdict(list)
        self.wrong = {}

    def run(self, system, workload, scale, reference):
        """One sample; a failure or a wrong checksum ends the measuring of that pair."""
        key = (system.name, workload)
        if key in self.wrong:
            return None
        sample = measure(system.command(workload, scale), system.environment, self.timeout)
        if sample is None:
            self.wrong[key] = "failed"
        elif reference is not None and sample.output != reference:
            self.wrong[key] = "wrong"
        else:
            self.samples[key].append(sample.seconds)
        return sample

    def median(self, system, workload):
        """CPU seconds without the start-up, or None."""
        taken = self.samples.get((system, workload))
        if not taken or (system, workload) in self.wrong:
            return None
        start = statistics.median(self.samples[(system, "nop")] or [0]) if workload != "nop" else 0
        return max(statistics.median(taken) - start, 1e-4)

    def ratio(self, workload, system, base):
        ours, theirs = self.median(system, workload), self.median(base, workload)
        return ours / theirs if ours and theirs else None


def take_samples(options, found, workloads):
    figures = Figures(options.timeout)
    for turn in range(options.rounds):
        for workload in ["nop"] + workloads:
            scale = SCALES.get(workload)
            reference = None
            for system in found:
                sample = figures.run(system, workload, scale, reference)
                if system.name == "native" and sample:
                    reference = sample.output
        print("round %d of %d" % (turn + 1, options.rounds), file=sys.stderr, flush=True)
    return figures


# ---- reporting ---------------------------------------------------------------------------------

def geomean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values)) if values else None


def cell(value, form):
    return form % value if value is not None else "-"


def speed_table(figures, found, kinds):
    """Markdown: medians, and every system against each one before it."""
    names = [system.name for system in found]
    pairs = [(ours, base) for at, ours in enumerate(names) for base in names[:at]]
    out = ["| workload | kind | %s |" % " | ".join(
        [name + " ms" for name in names] + ["%s / %s" % pair for pair in pairs])]
    out.append("|---|---|" + "---:|" * (len(names) + len(pairs)))
    for workload, kind in [("nop", "start")] + list(kinds.items()):
        cells = []
        for name in names:
            wrong = figures.wrong.get((name, workload))
            seconds = figures.median(name, workload)
            cells.append(wrong or cell(seconds and seconds * 1000, "%.1f"))
        cells += [cell(figures.ratio(workload, *pair), "%.2f") for pair in pairs]
        out.append("| %s | %s | %s |" % (workload, kind, " | ".join(cells)))
    for kind in dict.fromkeys(kinds.values()):
        members = [workload for workload in kinds if kinds[workload] == kind]
        means = []
        for pair in pairs:
            ratios = [figures.ratio(workload, *pair) for workload in members]
            means.append(geomean([value for value in ratios if value]) if all(ratios) else None)
        out.append("| **geometric mean** | %s | %s |" % (
            kind, " | ".join([""] * len(names) + [cell(value, "**%.2f**") for value in means])))
    return "\n".join(out) + "\n"


# ---- instructions ------------------------------------------------------------------------------

def guest_instructions(folder, guest, workload, scale):
    plugin = compile_program("gcc", os.path.join(folder, "insncount.so"),
                             ["-O2", "-shared", "-fPIC"], ("insncount.c",))
    out = os.path.join(folder, "insncount.txt")
    subprocess.run(["qemu-aarch64", "-plugin", plugin, guest, workload, str(scale)], check=True,
                   env=dict(os.environ, INSNCOUNT_OUT=out), stdout=subprocess.DEVNULL)
    with open(out) as counted:
        return int(counted.read())


def host_instructions(folder, system, workload, scale):
    out = os.path.join(folder, "callgrind.out")
    subprocess.run(["valgrind", "--tool=callgrind", "-q", "--callgrind-out-file=" + out]
                   + system.command(workload, scale), check=True, env=system.environment,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(out) as profile:
        return next(int(line.split()[1]) for line in profile
                    if line.startswith(("summary:", "totals:")))


def instruction_table(folder, system, workloads):
    """Host instructions per guest instruction, start-up and translation cancelled out."""
    out = ["", "| workload | guest instructions | host instructions per guest instruction |",
           "|---|---:|---:|"]
    guest_program = os.path.join(folder, "bench-arm64")
    ratios = []
    for workload in workloads:
        counts = [(guest_instructions(folder, guest_program, workload, scale),
                   host_instructions(folder, system, workload, scale)) for scale in (1, 2)]
        guest, host = (counts[1][side] - counts[0][side] for side in (0, 1))
        ratios.append(host / guest)
        out.append("| %s | %d | %.2f |" % (workload, guest, host / guest))
    out.append("| **geometric mean** | | **%.2f** |" % geomean(ratios))
    return "\n".join(out) + "\n"


# ---- command line ------------------------------------------------------------------------------

def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ish", default="build-arm64-linux/ish")
    parser.add_argument("--systems", default="qemu,ish", type=lambda text: text.split(","),
                        help="besides native (default: qemu,ish)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kind", action="append", default=[])
    parser.add_argument("--workload", action="append", default=[])
    parser.add_argument("--timeout", type=float, default=120, help="seconds a run")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--out", default="out/bench", help="programs, roots and the report")
    return parser.parse_args()


def chosen(program, options):
    """workload -> kind, in the program's own order."""
    listed = subprocess.run(program + ["list"], check=True, capture_output=True, text=True).stdout
    kinds = dict(line.split() for line in listed.splitlines())
    kept = {workload: kind for workload, kind in kinds.items()
            if (not options.kind or kind in options.kind)
            and (not options.workload or workload in options.workload)}
    if not kept:
        sys.exit("bench: no workload chosen; there are " + " ".join(kinds))
    return kept


def main():
    options = parse()
    os.makedirs(options.out, exist_ok=True)
    found = systems(options, options.out)
    kinds = chosen(found[0].prefix, options)
    if options.instructions:
        single = [name for name, kind in kinds.items() if kind in ("integer", "memory", "float")]
        text = instruction_table(options.out, found[-1], single)
    else:
        text = speed_table(take_samples(options, found, list(kinds)), found, kinds)
    path = os.path.join(options.out, "instructions.md" if options.instructions else "speed.md")
    with open(path, "w") as report:
        report.write(text)
    print(text + "\nreport: " + path)


if __name__ == "__main__":
    main()
