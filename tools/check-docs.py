#!/usr/bin/env python3
"""Keeps the documents true: what they name exists, and generated ledgers are current.

check-docs.py           checks
check-docs.py --write   writes the generated ledgers anew (`make docs`)

Checked in README.md and docs/*.md: relative links, paths in backticks, `make` targets, and the first
word of commands in code blocks when it is a path. docs/generated.tbl says how each ledger is made.
"""
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile

import checklib

LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
TICKED = re.compile(r"`([^`\n]+)`")
MAKE = re.compile(r"(?:^|[`\s;&])make ([a-z][\w.-]*)")
# Made by building, by importing, or by running; named in the documents, never tracked.
MADE = ("build", "roots/", "out/")
LEDGERS = "docs/generated.tbl"


def documents(tree):
    return [name for name in tree.names if name == "README.md" or
            (name.startswith("docs/") and name.endswith(".md"))]


def dead_links(tree):
    faults = []
    for name in documents(tree):
        for number, found in checklib.matches(tree.read(name), LINK):
            target = os.path.normpath(os.path.join(os.path.dirname(name), found.group(1)))
            if not tree.exists(target):
                faults.append("%s:%d: %s" % (name, number, found.group(1)))
    return faults


def code_words(text):
    """Yields (line number, word) of everything written as code that might be a path."""
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif fenced:
            yield from ((number, word) for word in line.split("#")[0].split()[:1])
        else:
            yield from ((number, word) for found in TICKED.finditer(line)
                        for word in found.group(1).split()[:1])


def missing_paths(tree):
    tops = {name.partition("/")[0] for name in tree.names if "/" in name}
    faults = []
    for name in documents(tree):
        for number, word in code_words(tree.read(name)):
            path = word.rstrip(".,:;")
            if not re.fullmatch(r"[\w.*/-]+", path) or path.startswith(MADE):
                continue
            if path.partition("/")[0] in tops and "/" in path and not glob.glob(tree.path(path)):
                faults.append("%s:%d: %s" % (name, number, path))
    return faults


def make_targets(tree):
    if not tree.exists("Makefile"):
        return set()
    rules = re.findall(r"^([A-Za-z][^:=\n]*):(?!=)", tree.read("Makefile"), re.M)
    return {target for rule in rules for target in rule.split()}


def missing_targets(tree):
    targets = make_targets(tree)
    patterns = [re.compile(re.escape(target).replace("%", ".+") + "$") for target in targets
                if "%" in target]
    faults = []
    for name in documents(tree):
        for number, line in enumerate(tree.read(name).split("\n"), 1):
            code = line if line.startswith(("make ", "    make ")) else " ".join(
                "`%s`" % found for found in TICKED.findall(line))
            for target in MAKE.findall(code):
                if target not in targets and not any(one.match(target) for one in patterns):
                    faults.append("%s:%d: make %s" % (name, number, target))
    return faults


# ---- generated ledgers -------------------------------------------------------------------------

def ledgers(tree):
    """document -> command line with {out} in it."""
    if not tree.exists(LEDGERS):
        return {}
    rows = (line.split(None, 1) for line in tree.read(LEDGERS).split("\n")
            if line.strip() and not line.startswith("#"))
    return {row[0]: row[1].strip() for row in rows}


def generate(tree, command):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "ledger.md")
        words = [word.replace("{out}", out).replace("{tmp}", folder) for word in shlex.split(command)]
        words = [name for word in words for name in sorted(
            glob.glob(word, root_dir=tree.top) if "*" in word else [word])]
        subprocess.run([sys.executable, "-B"] + words, cwd=tree.top, check=True, stdout=subprocess.DEVNULL)
        with open(out) as made:
            return made.read()


def stale_ledgers(tree):
    table = ledgers(tree)
    faults = []
    for name, command in table.items():
        if not tree.exists(name) or generate(tree, command) != tree.read(name):
            faults.append("%s is not what `%s` makes: run make docs" % (name, command))
    for name in documents(tree):
        head = "\n".join(tree.read(name).split("\n")[:4])
        if "Generated from" in head and name not in table:
            faults.append("%s says it is generated but is not in %s" % (name, LEDGERS))
    return faults


def write_ledgers(tree):
    for name, command in ledgers(tree).items():
        text = generate(tree, command)
        if not tree.exists(name) or tree.read(name) != text:
            with open(tree.path(name), "w") as out:
                out.write(text)
            print("wrote " + name)


PROMISES = {
    "links between documents lead somewhere": dead_links,
    "paths named in documents exist": missing_paths,
    "make targets named in documents exist": missing_targets,
    "generated ledgers are current": stale_ledgers,
}
MAKEFILE = "all: x\nroot-%: x\n\t@true\n"
SELF_TEST = dict(zip(PROMISES, (
    {"README.md": "see [x](docs/none.md)\n"},
    [{"README.md": "`tools/none.py`\n", "tools/a.py": ""},
     {"README.md": "```\ntools/none.py --x\n```\n", "tools/a.py": ""}],
    [{"README.md": "`make none`\n", "Makefile": MAKEFILE}, {"README.md": "make none\n", "Makefile": MAKEFILE}],
    [{"gen.py": "import sys\nopen(sys.argv[1], 'w').write('new')\n", "docs/A.md": "old",
      LEDGERS: "docs/A.md gen.py {out}\n"}, {"docs/B.md": "# B\n\nGenerated from `b.tbl`.\n"}],
)))

if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write_ledgers(checklib.Tree(checklib.TOP))
    else:
        checklib.run(PROMISES, SELF_TEST)
