#!/usr/bin/env python3
"""Runs the system-call fuzzer (tests/fuzz/calls.c) in ish and judges what is left of it.

    run.py ISH FAKEFSIFY PROGRAM [--seed N] [--seconds N] [--round N] [--patience N]

The root is one of its own, made and thrown away; nothing of the host is mounted; ish gets a network
of its own where the host allows that, else the guest makes no internet sockets. The seed is printed
and random unless given. When ish does not end in time it is asked where it waits (gdb, where there
is one) and killed; whatever goes wrong, the last calls of every thread are shown."""
import argparse
import ctypes
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

SLOTS, HISTORY, NUMBERS = 64, 4, 512  # tests/fuzz/record.h
CALL = struct.Struct("<II6Qq")
HEAD = struct.Struct("<QQII%dI%dI" % (NUMBERS, NUMBERS))
SLOT = struct.Struct("<IIQ%ds" % (CALL.size * HISTORY))
TABLE = os.path.join(os.path.dirname(__file__), "..", "..", "kernel", "syscalls.tbl")
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
# More than a run may keep, and less than what one leak in each round comes to. Threads without work
# are kept as kernel/task_pool.c says, and a few serve the kernel from their first use on.
SLACK = {"threads": 20, "descriptors": 24, "guest memory": 3 << 20}
REPORT = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|ish: error:|lock order|"
                    r"assertion")


def make_root(dir, fakefsify, program):
    archive, root = os.path.join(dir, "in.tar"), os.path.join(dir, "root")
    with tarfile.open(archive, "w") as tar:
        for part in ("dev", "proc", "sys", "tmp", "bin", "etc"):
            info = tarfile.TarInfo(part)
            info.type, info.mode = tarfile.DIRTYPE, 0o777 if part == "tmp" else 0o755
            tar.addfile(info)
        tar.add(program, "bin/program")
    subprocess.run([fakefsify, archive, root], check=True, stderr=subprocess.DEVNULL)
    return root


def own_network():
    """Makes the calling process's network one of its own, with a loopback device."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) and libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


def has_own_network():
    return subprocess.run(["true"], preexec_fn=own_network).returncode == 0


def call_names():
    names = {}
    for line in open(TABLE):
        found = re.match(r"(\d+) (\w+) \| ([^|]*)\|", line)
        if found:
            args = [a.split(":")[0] for a in found.group(3).partition("->")[0].split()]
            names[int(found.group(1))] = found.group(2), args
    return names


def show_record(root):
    """What every thread of the last round was calling."""
    try:
        with open(os.path.join(root, "data", "fuzz.record"), "rb") as file:
            data = file.read()
        head = HEAD.unpack_from(data)
    except (OSError, struct.error):
        print("# no record of the calls")
        return
    names = call_names()
    print("# seed %d, round %d: --seed %d --round %d" % (head[:2] * 2))
    for i in range(min(head[2], SLOTS)):
        pid, tid, calls, history = SLOT.unpack_from(data, HEAD.size + i * SLOT.size)
        print("#  process %d, thread %d, %d calls" % (pid, tid, calls))
        first = max(0, calls - HISTORY + 1)
        for n in range(first, calls + 1):
            number, inside, *args, result = CALL.unpack_from(history, n % HISTORY * CALL.size)
            if n == calls and not inside:
                continue
            name, params = names.get(number, ("syscall_%d" % number, []))
            shown = ", ".join("%s=%#x" % pair for pair in zip(params, args))
            print("#    %s(%s)%s" % (name, shown, " ..." if inside else " = %d" % result))


class Run:
    """One ish, and what can be seen of it from outside."""

    def __init__(self, command, isolated, log):
        self.log = log
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=log, text=True, errors="replace",
                                        env=dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1"),
                                        preexec_fn=own_network if isolated else None)
        self.lines, self.seen = [], {}
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def look(self):
        pid = self.process.pid
        # Threads that end are gone a moment after what they served.
        time.sleep(0.3)
        names = ["/proc/%d/fd/%s" % (pid, fd) for fd in os.listdir("/proc/%d/fd" % pid)]
        # Directories of the root are a cache, which has its own bound.
        kept = [os.readlink(name) for name in names if not os.path.isdir(name)]
        return {"threads": len(os.listdir("/proc/%d/task" % pid)), "descriptors": len(kept), "names": kept}

    def read(self):
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line.startswith("ask "):
                self.seen[line[4:]] = self.look()
                self.process.stdin.write("\n")
                self.process.stdin.flush()
            elif line.startswith("memory "):
                self.seen[line.split()[1]]["guest memory"] = int(line.split()[2])
            else:
                self.lines.append(line)

    def wait(self, seconds):
        try:
            self.process.wait(seconds)
            good = True
        except subprocess.TimeoutExpired:
            good = False
            self.show_threads()
            self.process.kill()
            self.process.wait()
        self.reader.join()
        return good

    def show_threads(self):
        if shutil.which("gdb"):
            found = subprocess.run(["gdb", "-batch", "-p", str(self.process.pid), "-ex",
                                    "thread apply all bt 14"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True).stdout
            print("\n".join("# " + line for line in found.splitlines() if line.startswith(("#", "Thr"))))


class Judge:
    def __init__(self):
        self.count = self.failed = 0

    def check(self, good, what):
        self.count += 1
        self.failed += not good
        print("%s %d - %s" % ("ok" if good else "not ok", self.count, what))


def judge(run, ended, judge, one_round):
    for line in run.lines:
        found = re.match(r"(not )?ok - (.*)", line)
        if found:
            judge.check(not found.group(1), found.group(2))
        else:
            print(line)
    judge.check(ended, "ish ends in its time")
    status = run.process.returncode
    judge.check(status == 0, "ish ends by itself with status 0 (%d)" % status)
    run.log.seek(0)
    text = run.log.read()
    reports = REPORT.search(text)
    judge.check(not reports, "neither a sanitizer nor ish itself reports anything")
    if reports or status:
        shown = text[text.rfind("\n", 0, reports.start()) + 1:] if reports else text[-4000:]
        print("\n".join("# " + line for line in shown.splitlines()[:100]))
    if "first" in run.seen and "last" in run.seen and not one_round:
        for what, slack in SLACK.items():
            before, after = run.seen["first"].get(what, 0), run.seen["last"].get(what, 0)
            good = after - before <= slack
            judge.check(good, "%s are back where they were (%d, %d)" % (what, before, after))
            if not good and what == "descriptors":
                print("\n".join("#   " + name for name in sorted(run.seen["last"]["names"])))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("ish")
    parser.add_argument("fakefsify")
    parser.add_argument("program")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--round", type=int)
    parser.add_argument("--patience", type=int, default=20)
    args = parser.parse_args()
    print("# seed %d" % args.seed, flush=True)
    isolated = has_own_network()
    with tempfile.TemporaryDirectory(prefix="ish-fuzz-", dir="/var/tmp") as dir, \
            open(os.path.join(dir, "log"), "w+", errors="replace") as log:
        root = make_root(dir, args.fakefsify, args.program)
        command = [args.ish, "-f", root, "--memory", "256M", "--cpus", "4", "--log", "error", "/bin/program",
                   "--seed", str(args.seed), "--seconds", str(args.seconds), "--patience", str(args.patience)]
        command += [] if args.round is None else ["--round", str(args.round)]
        run = Run(command + ([] if isolated else ["--no-inet"]), isolated, log)
        ended = run.wait(args.seconds + 2 * args.patience + 30)
        verdict = Judge()
        judge(run, ended, verdict, args.round is not None)
        if verdict.failed:
            show_record(root)
    print("1..%d" % verdict.count)
    sys.exit(verdict.failed > 0)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
