"""What the checkers share: the list of tracked files, comment stripping, TAP, and the self-test.

A checker defines PROMISES, {promise: function(tree) -> list of violations}, and SELF_TEST, {promise:
{path: contents}}, a small tree in which that promise is broken. `run` first shows that each promise
is able to fail, then checks the real tree. A checker that cannot fail would be worse than none.
"""
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Tree:
    """A source tree: file names relative to its top, contents on demand."""

    def __init__(self, top, names=None):
        self.top = top
        self.names = sorted(names if names is not None else tracked_files(top))

    def path(self, name):
        return os.path.join(self.top, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as source:
            return source.read()

    def select(self, *suffixes, below=()):
        """Names with one of the suffixes, in one of the folders when any are given; deps/ never."""
        return [name for name in self.names if name.endswith(suffixes)
                and not name.startswith("deps/")
                and (not below or name.startswith(tuple(below)))]

    def exists(self, name):
        return os.path.exists(self.path(name))


def tracked_files(top):
    """Files git tracks or would track; ignored ones (builds, roots) never."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=top, capture_output=True, text=True)
    if listed.returncode:
        sys.exit("not a git checkout: " + listed.stderr.strip())
    return [name for name in listed.stdout.split("\0")
            if name and os.path.isfile(os.path.join(top, name))]


def strip_comments(text, strings=True):
    """C text with comments (and, if asked, string contents) blanked, line numbers kept."""
    def blank(found):
        token = found.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token if not strings else token[0] * 2
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def matches(text, pattern):
    """Yields (line number, match) of a compiled pattern, line by line."""
    for number, line in enumerate(text.split("\n"), 1):
        for found in pattern.finditer(line):
            yield number, found


def write_tree(top, files):
    for name, body in files.items():
        path = os.path.join(top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(body)


def can_fail(function, files):
    """True when the check finds fault with this small tree."""
    with tempfile.TemporaryDirectory() as top:
        write_tree(top, files)
        return bool(function(Tree(top, list(files))))


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def line(self, good, what, details=()):
        self.count += 1
        self.failed += not good
        print("%s %d - %s" % ("ok" if good else "not ok", self.count, what))
        for detail in details:
            print("# " + detail)

    def skip(self, what, why):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, what, why))

    def finish(self):
        print("1..%d" % self.count, flush=True)
        sys.exit(1 if self.failed else 0)


def run(promises, self_test):
    """Proves that each promise can fail, then checks the real tree. Ends the program."""
    tap, tree = Tap(), Tree(TOP)
    for promise, function in promises.items():
        for files in as_list(self_test[promise]):
            if not can_fail(function, files):
                tap.line(False, "the checker notices when broken: " + promise, sorted(files))
        violations = function(tree)
        tap.line(not violations, promise, violations)
    tap.finish()


def as_list(value):
    return value if isinstance(value, list) else [value]
