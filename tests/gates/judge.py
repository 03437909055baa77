"""Runs one row and judges it. A row passes when its status, standard output and standard error are
what the table says, in time, and nothing broken shows. Everything else is a failure."""
import collections
import itertools
import os
import re
import signal
import subprocess
import tempfile
import threading
import time

import runners
import terminal

# Marks of a guest that broke, or of an emulator that talks into the guest's output.
NOISE = re.compile(r"SAFETY-VALVE|NETDIAG|^qemu: |Illegal instruction|Segmentation fault|Bus error|"
                   r"core dumped|Bad system call|stack smashing|futex facility returned|"
                   r"^ish: |AddressSanitizer|ThreadSanitizer|runtime error:", re.M)
OUTPUT_LIMIT = 4 << 20
# Whom this machine trusts; a proxy in its network may have an authority of its own.
CERTIFICATES = "/etc/ssl/certs"

# `host`: what the row's host command printed. `other` of a result: the run it was compared with.
Run = collections.namedtuple("Run", "status timed_out seconds cpu stdout stderr log host",
                             defaults=("", None))
Result = collections.namedtuple("Result", "row state reason run other", defaults=(None,))


def execute(command, timeout):
    """Runs a command with no input; its whole process group ends when the time is up."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # Files, not pipes: a background child that keeps them open must not keep us waiting.
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   start_new_session=True)
        late = threading.Event()

        def stop():
            late.set()
            os.killpg(process.pid, signal.SIGKILL)
        timer = threading.Timer(timeout, stop)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        timer.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        end_group(process.pid)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read(OUTPUT_LIMIT).decode("utf-8", "replace"))
    return Run(process.returncode, late.is_set(), seconds, usage.ru_utime + usage.ru_stime, *texts)


def execute_on_terminal(command, steps, timeout, takes_it_itself):
    """Runs a command on a terminal; its output is what the screen showed, without escapes."""
    started = time.monotonic()
    process, ours = terminal.start(command, takes_it_itself)
    shown, hung = terminal.converse(ours, steps, started + timeout)
    late = time.monotonic() - started >= timeout
    os.close(ours)  # hangs up what is still there
    if late:
        os.killpg(process.pid, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    end_group(process.pid)
    error = "waited for: %s\n" % hung if hung else ""
    return Run(process.returncode, late, time.monotonic() - started,
               usage.ru_utime + usage.ru_stime, terminal.plain(shown), error)


def end_group(group):
    """What the program left behind in its group must not disturb the rows that follow."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def run_row(runner, root, row, timeout):
    environment = dict(runners.ENVIRONMENT, **row.environment)
    command = runner.command(root, runners.Launch(
        runners.program_of(row), environment, runners.DIRECTORY, "network" in row.conditions,
        row.steps is not None,
        (CERTIFICATES,) if "certificates" in row.conditions else ()))
    timeout = row.timeout or timeout
    if row.steps is not None:
        run = execute_on_terminal(command, row.steps, timeout, runner.takes_terminal)
    else:
        run = execute(command, timeout)
    run = run._replace(log=runner.diagnostics(root))
    if row.host is not None and not run.timed_out:
        run = run._replace(host=host_output(row.host, runner.tree(root)))
    return run


def host_output(command, folder):
    """What a command prints on this machine, in the folder; its complaints are part of it."""
    done = subprocess.run(["/bin/sh", "-c", command], cwd=folder, text=True, errors="replace",
                          env=dict(runners.ENVIRONMENT, LC_ALL="C.UTF-8"),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout + ("exit status %d\n" % done.returncode if done.returncode else "")


def fault(row, run):
    """Why this run is not what the row asks for, or an empty string."""
    if run.timed_out:
        return "stopped after %.0f s" % run.seconds
    if run.status != row.status:
        return "exit status %d instead of %d" % (run.status, row.status)
    if row.equals is not None and run.stdout.removesuffix("\n") != row.equals:
        return "output is not the one expected: " + first_difference(row.equals, run.stdout)
    if row.expect and not row.expect.search(run.stdout):
        return "output does not match"
    if row.host is not None and run.stdout != run.host:
        return "the host sees it differently: " + first_difference(run.host, run.stdout)
    if row.stderr is None and run.stderr:
        return "unexpected standard error"
    if row.stderr and not row.stderr.search(run.stderr):
        return "standard error does not match"
    noise = NOISE.search(run.stdout + run.stderr)
    if noise and not (row.expect and row.expect.search(noise.group(0))):
        return "stray diagnostic: " + noise.group(0).strip()
    if run.log:
        return "the runner's log: " + run.log.strip().split("\n")[0]
    return ""


def first_difference(expected, seen):
    """The first line in which two texts differ."""
    for ours, theirs in itertools.zip_longest(seen.split("\n"), expected.split("\n"), fillvalue=""):
        if ours != theirs:
            return "%r instead of %r" % (ours, theirs)
    return ""


def difference(row, run, other, name):
    """Why a run that passes differs from another runner's, or an empty string."""
    if "varies" in row.fields:
        return ""
    if run.status != other.status:
        return "exit status %d, but %d under %s" % (run.status, other.status, name)
    if run.stdout != other.stdout:
        return "output differs from %s's: %s" % (name, first_difference(other.stdout, run.stdout))
    return ""


def excess(row, run, other, name):
    """Why a run that passes took more CPU time than the row allows, or an empty string."""
    if row.cpu is None:
        return ""
    broken = fault(row, other)
    if broken:
        return "nothing to measure against: under %s, %s" % (name, broken)
    if run.cpu > row.cpu * other.cpu:
        return "%.2f s of CPU time, more than %g times the %.2f s under %s" % (
            run.cpu, row.cpu, other.cpu, name)
    return ""


def judge(row, run, name, other=None, other_name=""):
    """The result of a row run by the runner `name` and, to compare, by another one."""
    reason = fault(row, run)
    if not reason and other:
        reason = difference(row, run, other, other_name) or excess(row, run, other, other_name)
    excuse = row.excuse(name)
    if excuse and reason:
        return Result(row, "unsupported", excuse, run, other)
    if excuse:
        return Result(row, "fail", "works now: the table must no longer excuse it", run,
                      other)
    return Result(row, "fail" if reason else "pass", reason, run, other)
