"""Reads gate tables. The grammar, also the one place it is explained:

    # a comment
    [*]                     defaults for the rows that follow, until the next [*]
    gate: runtime-coverage  the gate the row belongs to
    stage: shell            rows of a stage run in order, in one root; stages run side by side
    needs: tiny             the root (lane) the row runs in; then `network` if it uses one,
                            and `certificates` if it needs the host's (a proxy may have its own)

    [row-name]
    run: echo $((6*7))      a command for the guest's /bin/sh -c; or
    exec: /bin/env          a program and its arguments, started directly
    expect: ^42$            a regular expression that standard output must match somewhere; or
    equals: 42              standard output, exactly, without its last newline
    status: 0               exit status (default 0)
    host: du -sk root/t     a command for the host's own /bin/sh, in the folder where the host keeps the
                            root's tree; the row must print what this prints after it
    stderr: ^warning        a regular expression for standard error (default: it must be empty)
    type: PATTERN => KEYS   the row runs on a terminal of 24x80, and these steps type at it
                            (terminal.py); output is then what was shown, without escapes
    env: A=1 B=2            added to the environment, which is otherwise the one in runners.py
    timeout: 600            seconds, when the default is too short
    each: busybox --list    one row for each word this command prints; {} stands for it in run, exec
    except: true false      words of `each` left out
    cpu: 1.5                CPU time, at most so many times that of the runner compared with
    varies: why             output differs between runs, so it is not compared between runners
    unsupported: why        known not to work; reported as such, and a failure once it does work
    peer: qemu: why         known not to work under this other runner; not compared with it

A line that starts with two blanks continues the value above it, as a new line of it without them.
"""
import re

import terminal

KEYS = ("gate", "stage", "needs", "run", "exec", "expect", "equals", "status", "stderr", "env",
        "type", "timeout", "cpu", "host", "each", "except", "varies", "unsupported", "peer")


class TableError(Exception):
    pass


class Row:
    def __init__(self, name, fields):
        self.name = name
        self.fields = fields
        self.gate = fields.get("gate", "")
        self.stage = fields.get("stage", "")
        self.lane, *self.conditions = fields.get("needs", "").split() or [""]
        self.expect = re.compile(fields["expect"], re.M) if "expect" in fields else None
        self.equals = fields.get("equals")
        self.status = int(fields.get("status", "0"))
        self.stderr = re.compile(fields["stderr"], re.M) if "stderr" in fields else None
        self.environment = dict(pair.split("=", 1) for pair in fields.get("env", "").split())
        self.timeout = float(fields["timeout"]) if "timeout" in fields else None
        self.cpu = float(fields["cpu"]) if "cpu" in fields else None
        self.host = fields.get("host")
        self.steps = terminal.steps_of(fields["type"]) if "type" in fields else None
        peer, _, why = fields.get("peer", "").partition(":")
        self.peers = {peer.strip(): why.strip()} if peer else {}

    def excuse(self, runner):
        """Why this row is known not to work under the runner, or an empty string."""
        return self.fields.get("unsupported", "") if runner == "ish" else self.peers.get(runner, "")

    def check(self):
        """Raises TableError when the row could not be judged."""
        if ("run" in self.fields) == ("exec" in self.fields):
            raise TableError("%s: needs `run` or `exec`" % self.name)
        if (self.expect is None) == (self.equals is None):
            raise TableError("%s: needs `expect` or `equals`" % self.name)
        for key in ("gate", "stage", "needs"):
            if not self.fields.get(key):
                raise TableError("%s: has no `%s`" % (self.name, key))
        if set(self.conditions) - {"network", "certificates"}:
            raise TableError("%s: needs what? %s" % (self.name, " ".join(self.conditions)))

    def instances(self, words):
        """One row for each word of an `each` row."""
        left_out = set(self.fields.get("except", "").split())
        for word in words:
            if word not in left_out:
                fields = {key: value for key, value in self.fields.items() if key != "each"}
                for key in {"run", "exec", "expect"} & set(fields):
                    fields[key] = fields[key].replace("{}", word)
                yield Row("%s/%s" % (self.name, word), fields)


def parse(text, source="table"):
    rows, defaults, current, key = [], {}, None, None
    names = set()
    for number, line in enumerate(text.split("\n"), 1):
        where = "%s:%d" % (source, number)
        header = re.match(r"\[([^]]+)\]\s*$", line)
        if line.startswith("#") or not line.strip():
            key = None
        elif header:
            name, key = header.group(1), None
            current = {} if name == "*" else dict(defaults)
            if name == "*":
                defaults = current
            elif name in names:
                raise TableError("%s: a second row called %s" % (where, name))
            else:
                names.add(name)
                rows.append((name, current))
        elif line.startswith("  "):
            if key is None:
                raise TableError("%s: continues nothing" % where)
            current[key] += "\n" + line[2:]
        else:
            key, colon, value = line.partition(":")
            if not colon or key not in KEYS or current is None:
                raise TableError("%s: not understood: %s" % (where, line))
            current[key] = value.strip()
    made = [Row(name, fields) for name, fields in rows]
    for row in made:
        row.check()
    return made


def load(path):
    with open(path) as source:
        return parse(source.read(), path)
