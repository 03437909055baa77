#!/usr/bin/env python3
"""Keeps out calls that cannot be used safely, notes to self, and paths of somebody's machine."""
import re

import checklib

CALLS = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|atof|alloca|mktemp|tmpnam|"
                   r"strtok)\s*\(")
# Spelt in halves so that this file does not find itself.
NOTES = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK")) + r")\b")
PATHS = re.compile(r"(?<![\w.}-])/(" + "|".join(("work", "farm", "root", "home/[a-z]", "Users")) + r")/")
TEXT = (".c", ".h", ".py", ".sh", ".tbl", ".md", ".build", ".txt", ".inc", "Makefile", "run")
# Guests' home directory is a fact of the guest.
PATHS_ALLOWED = ("tests/gates/", "tests/guest/", "tests/cli/")


def banned_calls(tree):
    return ["%s:%d: %s" % (name, number, found.group(1))
            for name in tree.select(".c", ".h")
            for number, found in checklib.matches(checklib.strip_comments(tree.read(name)), CALLS)]


def notes(tree):
    return ["%s:%d: %s" % (name, number, found.group(1))
            for name in tree.select(*TEXT)
            for number, found in checklib.matches(tree.read(name), NOTES)]


def machine_paths(tree):
    return ["%s:%d: %s" % (name, number, found.group(0))
            for name in tree.select(*TEXT) if not name.startswith(PATHS_ALLOWED)
            for number, found in checklib.matches(tree.read(name), PATHS)]


PROMISES = {
    "no call that cannot be bounded or is not reentrant": banned_calls,
    "no note to self: a known gap is a state in a table or an issue": notes,
    "no path of one machine": machine_paths,
}
SELF_TEST = dict(zip(PROMISES, (
    [{"a.c": "char *f(char *a, char *b) { return str" "cpy(a, b); }\n"}, {"b.h": "int x = ato" "i (s);\n"}],
    [{"a.c": "// TO" "DO: later\n"}, {"a.py": "# FIX" "ME\n"}],
    [{"a.py": "open('/wor" "k/x')\n"}, {"tools/x.sh": "cd /roo" "t/x\n"}],
)))

if __name__ == "__main__":
    checklib.run(PROMISES, SELF_TEST)
