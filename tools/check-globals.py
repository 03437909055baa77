#!/usr/bin/env python3
"""Keeps mutable globals out: check-globals.py BUILD COMPILER... looks through the static libraries.

Constant tables with pointers in them (.data.rel.ro) are constant. What is left must stand in
tools/globals.tbl with its reason, and a row there that no longer matches must go.
"""
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import checklib

MUTABLE = re.compile(r"(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|\*COM\*|\.ldata|\.lbss)")
# ADDRESS FLAGS SECTION<tab>SIZE [.visibility] NAME; a section's own row has the flag d.
ROW = re.compile(r"^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+\s+(?:\.\w+ )?(\S+)$")
MEMBER = re.compile(r"^(\S+\.o):\s+file format")
Symbol = collections.namedtuple("Symbol", "source name section")


def mutable_symbols(path):
    """Data objects of one library (or object file) that live in a writable section."""
    tool = shutil.which("objdump") or shutil.which("llvm-objdump-19") or shutil.which("llvm-objdump")
    text = subprocess.run([tool, "-t", path], check=True, capture_output=True, text=True).stdout
    source = "?"
    for line in text.splitlines():
        member, found = MEMBER.match(line), ROW.match(line)
        if member:  # a library may hold the objects of another one, so the object tells whose it is
            source = os.path.basename(member.group(1)).removesuffix(".o")
        if found and "d" not in found.group(1) and MUTABLE.match(found.group(2)):
            # Static variables of functions: gcc writes name.3, clang function.name
            name = re.sub(r"\.\d+$", "", found.group(3)).rpartition(".")[2]
            yield Symbol(source, name, found.group(2))


def allowed(path):
    with open(path) as table:
        rows = [line.split(None, 2) for line in table if line.strip() and not line.startswith("#")]
    return {(row[0], row[1]): row[2].strip() for row in rows}


def own_libraries(build):
    """Static libraries the build makes outside tests/ and deps/, as meson knows them."""
    with open(os.path.join(build, "meson-info", "intro-targets.json")) as targets:
        found = [target for target in json.load(targets) if target["type"] == "static library"]
    top = os.path.join(checklib.TOP, "")
    return [path for target in found for path in target["filename"]
            if not target["defined_in"].removeprefix(top).startswith(("tests", "deps", "subprojects"))]


def self_test(compiler):
    """True when a compiled file's mutable globals are found, and its constants are not."""
    source = ("static int counter; int shown = 3; static _Thread_local int mine = 1;"
              "static const char *const names[] = {\"a\", \"b\"};"
              "int next(int i) { static int kept; return ++kept + ++counter + ++mine + names[i][0]; }")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "probe.o")
        subprocess.run(compiler + ["-fPIC", "-x", "c", "-c", "-o", path, "-"],
                       input=source, text=True, check=True)
        return {symbol.name for symbol in mutable_symbols(path)} == {"counter", "shown", "mine", "kept"}


def main():
    build, compiler = sys.argv[1], sys.argv[2:] or ["cc"]
    tap = checklib.Tap()
    promise = "no mutable global beyond tools/globals.tbl"
    libraries = own_libraries(build)
    if sys.platform == "darwin":
        tap.skip(promise, "reads ELF objects")
        tap.finish()
    tap.line(self_test(compiler), "the checker finds mutable globals and leaves constants alone")
    tap.line(bool(libraries), "there are libraries to look at")
    table = allowed(os.path.join(checklib.TOP, "tools", "globals.tbl"))
    found = {(symbol.source, symbol.name): symbol.section
             for path in libraries for symbol in mutable_symbols(path)}
    tap.line(not set(found) - set(table), promise,
             ["%s: %s in %s" % (key + (found[key],)) for key in sorted(set(found) - set(table))])
    gone = sorted(key for key in set(table) - set(found) if not table[key].startswith("debug:"))
    tap.line(not gone, "every row of tools/globals.tbl still applies", ["%s: %s" % key for key in gone])
    tap.finish()


if __name__ == "__main__":
    main()
