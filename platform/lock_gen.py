"""Derives lock_ranks.h and docs/LOCKS.md from lock.tbl: lock_gen.py TABLE HEADER|- DOC|-"""
import sys


def rows(path):
    for line in open(path):
        line = line.rstrip("\n")
        if line and not line.startswith("#"):
            rank, name, guards = line.split(None, 2)
            yield int(rank), name, guards


def header(table):
    out = ["// Generated from platform/lock.tbl.", "#ifndef PLATFORM_LOCK_RANKS_H",
           "#define PLATFORM_LOCK_RANKS_H", "enum lock_rank {"]
    out += ["    LOCK_RANK_%s = %d," % (name.upper(), rank) for rank, name, _ in table]
    out += ["};", "static inline const char *lock_rank_name(enum lock_rank rank)", "{",
            "    switch (rank) {"]
    out += ["    case LOCK_RANK_%s: return \"%s\";" % (name.upper(), name) for _, name, _ in table]
    out += ["    }", "    return \"?\";", "}", "#endif", ""]
    return "\n".join(out)


def document(table):
    out = ["# Locks", "",
           "Generated from `platform/lock.tbl`. A thread takes locks in increasing rank; debug builds "
           "abort when it does not.", "", "| rank | lock | guards |", "|---|---|---|"]
    out += ["| %d | `%s` | %s |" % row for row in table]
    return "\n".join(out) + "\n"


def main():
    table = list(rows(sys.argv[1]))
    ranks = [row[0] for row in table]
    if ranks != sorted(set(ranks)):
        sys.exit("lock.tbl: ranks must increase")
    for path, text in ((sys.argv[2], header(table)), (sys.argv[3], document(table))):
        if path != "-":
            open(path, "w").write(text)


main()
