#!/usr/bin/env python3
"""Keeps the layers apart: includes point downwards, and host differences stay in platform/."""
import re

import checklib

# Folder prefix -> layer; the longest prefix decides. docs/ARCHITECTURE.md explains them.
LAYERS = {
    "platform/base/": 0, "platform/abi/": 0, "platform/": 1, "emu/": 2, "fs/": 3, "kernel/": 4,
    "include/ish/": 5, "kernel/api": 5, "tools/": 6,
}
UNCHECKED = ("tests/", "deps/")
HOST_MACRO = re.compile(r"\b(__APPLE__|__MACH__|__linux__|__ANDROID__|_WIN32|TARGET_OS_\w+)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
# The layer below reports failures as negative Linux error numbers, and emu/ passes them on.
ERROR_NUMBERS = "platform/abi/linux_errno.h"
# System headers that mean the same on every host, and those of the processor: the only ones the
# layers above platform/ may use.
PORTABLE = re.compile(r"(assert|ctype|float|inttypes|limits|math|fenv|stdalign|stdarg|stdatomic|stdbool|"
                      r"stddef|stdint|stdio|stdlib|string|sys/types|cpuid|[a-z]+intrin|arm_\w+|sqlite3|archive|archive_entry)\.h$")


def layer_of(name):
    prefixes = [prefix for prefix in LAYERS if name.startswith(prefix)]
    return LAYERS[max(prefixes, key=len)] if prefixes else None


def includes(tree, name):
    """Yields (line, '<' or '"', path from the top) of every include."""
    text = checklib.strip_comments(tree.read(name), strings=False)
    for number, found in checklib.matches(text, INCLUDE):
        kind, target = found.groups()
        if target.startswith("ish/"):
            kind, target = '"', "include/" + target
        elif kind == '"' and "/" not in target:
            target = name.rpartition("/")[0] + "/" + target  # beside the file, or generated there
        yield number, kind, target


def sources(tree):
    return [name for name in tree.select(".c", ".h", ".inc") if not name.startswith(UNCHECKED)]


def upward_includes(tree):
    faults = []
    for name in sources(tree):
        own = layer_of(name)
        for number, kind, target in includes(tree, name):
            other = layer_of(target)
            if own is None or (kind == '"' and other is None):
                faults.append("%s:%d: %s belongs to no layer" % (name, number, target))
            elif kind == '"' and other > own:
                faults.append("%s:%d: layer %d includes %s of layer %d"
                              % (name, number, own, target, other))
    return faults


def command_line_client(tree):
    """tools/ish* is an embedder like any other."""
    return ["%s:%d: includes %s" % (name, number, target)
            for name in sources(tree) if name.startswith("tools/ish")
            for number, kind, target in includes(tree, name)
            if kind == '"' and not target.startswith(("include/ish/", "tools/"))]


def cpu_knows_linux(tree):
    return ["%s:%d: includes %s" % (name, number, target)
            for name in sources(tree) if name.startswith("emu/")
            for number, kind, target in includes(tree, name)
            if target.startswith("platform/abi/") and target != ERROR_NUMBERS]


def host_headers(tree):
    return ["%s:%d: includes <%s>" % (name, number, target)
            for name in sources(tree) if name.startswith(("emu/", "fs/", "kernel/"))
            for number, kind, target in includes(tree, name)
            if kind == "<" and not PORTABLE.match(target)]


def host_macros(tree):
    return ["%s:%d: %s" % (name, number, found.group(1))
            for name in sources(tree) if not name.startswith("platform/")
            for number, found in checklib.matches(checklib.strip_comments(tree.read(name)), HOST_MACRO)]


def assembly(tree):
    return [name for name in tree.names if name.startswith("emu/") and name.endswith((".S", ".s"))]


PROMISES = {
    "a file includes only its own layer and lower ones": upward_includes,
    "the ish command uses the public header alone": command_line_client,
    "emu/ knows no number of Linux beyond the errors passed up": cpu_knows_linux,
    "above platform/ only portable system headers are included": host_headers,
    "host differences are spelt out in platform/ alone": host_macros,
    "emu/ holds no assembly": assembly,
}
SELF_TEST = {
    "a file includes only its own layer and lower ones": [
        {"fs/a.c": '#include "kernel/task.h"\n'},
        {"platform/base/a.h": '#include "platform/lock.h"\n'},
        {"kernel/task.c": '  #  include "ish/ish.h"\n'},
        {"emu/a.c": '#include "elsewhere/x.h"\n'},
    ],
    "the ish command uses the public header alone": {"tools/ish.c": '#include "kernel/task.h"\n'},
    "emu/ knows no number of Linux beyond the errors passed up": {"emu/a.c": '#include "platform/abi/linux_signal.h"\n'},
    "above platform/ only portable system headers are included": {"fs/a.c": "#include <unistd.h>\n"},
    "host differences are spelt out in platform/ alone": {"fs/a.c": "#ifdef __linux__\n#endif\n"},
    "emu/ holds no assembly": {"emu/ops/fast.S": "\n"},
}

if __name__ == "__main__":
    checklib.run(PROMISES, SELF_TEST)
