"""Runs a command on a terminal of its own, typing when the screen shows what a step waits for.

A step is `PATTERN => KEYS`: when what came behind the last step's match has the pattern, the keys
are typed; KEYS are read as Python string escapes (\\r, \\x1b). No step waits for time to pass. A step
`resize ROWS COLUMNS` in place of keys changes the window instead.
"""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

ROWS, COLUMNS = 24, 80
# Control sequences are not text: CSI, OSC, and the two-character ones.
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Za-z0-9]|[ -/]*[0-~])")


class StepError(Exception):
    pass


def steps_of(text):
    steps = []
    for line in text.split("\n") if text else []:
        pattern, arrow, keys = line.partition(" => ")
        if not arrow:
            raise StepError("a step is PATTERN => KEYS: " + line)
        steps.append((re.compile(pattern, re.M), keys))
    return steps


def plain(data):
    return ESCAPES.sub("", data.decode("utf-8", "replace")).replace("\r", "").replace("\b", "")


def set_window(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def act(terminal, keys):
    if keys.startswith("resize "):
        set_window(terminal, *map(int, keys.split()[1:]))
    else:
        os.write(terminal, keys.encode().decode("unicode_escape").encode("latin-1"))


def start(command, takes_it_itself):
    """Starts the command on a terminal we type at: as leader of its session, unless it will make a
    session inside and take the terminal there itself."""
    ours, theirs = pty.openpty()
    set_window(ours, ROWS, COLUMNS)
    if not takes_it_itself:
        # A session leader's first terminal becomes its controlling one when it is opened.
        name = os.ttyname(theirs)
        command = ["/bin/sh", "-c", 'exec "$@" < %s > %s 2>&1' % (name, name), "sh"] + command
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs,
                               start_new_session=True)
    os.close(theirs)
    return process, ours


def converse(terminal, steps, deadline):
    """Types the steps and collects everything shown. Returns (bytes, the step it hung at or '')."""
    shown, mark, at = b"", 0, 0
    while True:
        text = plain(shown)
        while at < len(steps) and (found := steps[at][0].search(text, mark)):
            mark = found.end()
            act(terminal, steps[at][1])
            at += 1
        ready = select.select([terminal], [], [], max(0, deadline - time.monotonic()))[0]
        if not ready:
            break
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the other side is gone: Linux says EIO
            data = b""
        if not data:
            break
        shown += data
    return shown, steps[at][0].pattern if at < len(steps) else ""
