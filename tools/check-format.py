#!/usr/bin/env python3
"""Keeps the formatting: clang-format-19 would change no tracked C file. `make format` applies it."""
import os
import shutil
import subprocess

import checklib

TOOL = "clang-format-19"


def misformatted(tree):
    names = tree.select(".c", ".h")
    if not names:
        return []
    config = os.path.join(checklib.TOP, ".clang-format")
    done = subprocess.run([TOOL, "--style=file:" + config, "--dry-run", "-Werror",
                           "--ferror-limit=1"] + [tree.path(name) for name in names],
                          capture_output=True, text=True)
    return [line for line in done.stderr.splitlines() if " error: " in line]


def main():
    promise = "clang-format would change nothing"
    if shutil.which(TOOL):
        checklib.run({promise: misformatted}, {promise: {"a.c": "int  f( void ){return 1 ;}\n"}})
    tap = checklib.Tap()
    tap.skip(promise, TOOL + " is not installed")
    tap.finish()


if __name__ == "__main__":
    main()
