#!/usr/bin/env python3
"""Keeps every lock in lock.tbl: ranks are declared there, and nobody locks behind its back."""
import re

import checklib

INIT = re.compile(r"\block_init\s*\(([^,;]*),\s*([^)]*)\)")
RAW = re.compile(r"\b(pthread_(?:mutex|cond|rwlock|spin)_\w+|mtx_t|cnd_t|sem_init|os_unfair_lock\w*)\b")
RANK = re.compile(r"\bLOCK_RANK_(\w+)\b")


def ranks(tree):
    rows = (line.split() for line in tree.read("platform/lock.tbl").split("\n"))
    return {row[1].upper() for row in rows if len(row) > 2 and row[0].isdigit()}


def unknown_ranks(tree):
    known = ranks(tree)
    faults = []
    for name in tree.select(".c", ".h"):
        text = checklib.strip_comments(tree.read(name))
        faults += ["%s:%d: LOCK_RANK_%s is not in lock.tbl" % (name, number, found.group(1))
                   for number, found in checklib.matches(text, RANK) if found.group(1) not in known]
        faults += ["%s:%d: lock_init with the rank `%s`" % (name, number, found.group(2).strip())
                   for number, found in checklib.matches(text, INIT)
                   if not RANK.fullmatch(found.group(2).strip())
                   and not name.startswith(("platform/lock.", "tests/"))]
    return faults


def raw_locks(tree):
    return ["%s:%d: %s" % (name, number, found.group(1))
            for name in tree.select(".c", ".h", below=("emu/", "fs/", "kernel/", "include/"))
            for number, found in checklib.matches(checklib.strip_comments(tree.read(name)), RAW)]


PROMISES = {
    "every lock is initialised with a rank of lock.tbl": unknown_ranks,
    "in the library above platform/ there are only ranked locks": raw_locks,
}
TABLE = {"platform/lock.tbl": "10  api  handles\n"}
SELF_TEST = dict(zip(PROMISES, (
    [dict(TABLE, **{"fs/a.c": "lock_init(&x->lock, LOCK_RANK_NOWHERE);\n"}),
     dict(TABLE, **{"fs/a.c": "lock_init(&x->lock, 7);\n"})],
    {"kernel/a.c": "static pthread_mutex_t m;\npthread_mutex_lock(&m);\n"},
)))

if __name__ == "__main__":
    checklib.run(PROMISES, SELF_TEST)
