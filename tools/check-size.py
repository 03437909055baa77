#!/usr/bin/env python3
"""Keeps files and functions readable: a file at most 900 lines, a function at most 100.

The aim is 800 and 60; functions past 60 are listed as notes. A C function runs from the `{` in the
first column to the `}` in the first column, which the repository's formatting guarantees.
"""
import ast
import re

import checklib

FILE_LINES, FUNCTION_LINES, AIM = 900, 100, 60
NAME = re.compile(r"(\w+)\s*\(")


def c_functions(text):
    """Yields (name, first line, line count)."""
    lines, head, start = text.split("\n"), [], None
    for number, line in enumerate(lines, 1):
        if start is None and line == "{":
            start = number
        elif start is not None and line.startswith("}"):
            found = NAME.search(" ".join(head))
            yield (found.group(1) if found else "?"), start, number - start + 1
            start, head = None, []
        elif start is None:
            # The declarator: what stands between the last finished thing and the brace.
            finished = not line.strip() or line.rstrip().endswith((";", "}")) or line[0] in "#/"
            head = [] if finished else head + [line]


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def functions(tree):
    for name in tree.select(".c", ".h", ".py"):
        find = python_functions if name.endswith(".py") else c_functions
        for function, line, count in find(tree.read(name)):
            yield "%s:%d: %s" % (name, line, function), count


def long_files(tree):
    counts = ((name, tree.read(name).count("\n")) for name in tree.select(".c", ".h", ".py", ".sh"))
    return ["%s has %d lines" % item for item in counts if item[1] > FILE_LINES]


def long_functions(tree):
    return ["%s has %d lines" % item for item in functions(tree) if item[1] > FUNCTION_LINES]


LONG_FILE = "a source file has at most %d lines" % FILE_LINES
LONG_FUNCTION = "a function has at most %d lines" % FUNCTION_LINES
PROMISES = {LONG_FILE: long_files, LONG_FUNCTION: long_functions}
SELF_TEST = {
    LONG_FILE: {"a.c": "\n" * (FILE_LINES + 1)},
    LONG_FUNCTION: [
        {"a.c": "struct x {\n};\n\nstatic int long_one(int a,\n    int b)\n{\n" + "    ;\n" * 100 + "}\n"},
        {"a.py": "def long_one():\n" + "    pass\n" * 100},
    ],
}

if __name__ == "__main__":
    for where, size in functions(checklib.Tree(checklib.TOP)):
        if AIM < size <= FUNCTION_LINES:
            print("# note: %s has %d lines" % (where, size))
    checklib.run(PROMISES, SELF_TEST)
