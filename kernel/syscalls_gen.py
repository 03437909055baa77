"""Derives everything that follows from syscalls.tbl and trace_flags.tbl.

    syscalls_gen.py SYSCALLS FLAGS --header OUT   prototypes of the handlers
    syscalls_gen.py SYSCALLS FLAGS --table OUT    dispatch table and strace descriptions
    syscalls_gen.py SYSCALLS FLAGS --trace OUT    prototypes of strace's struct formatters
    syscalls_gen.py SYSCALLS FLAGS --fuzz OUT     what tests/fuzz/ knows of every call
    syscalls_gen.py SYSCALLS FLAGS --doc OUT      docs/SYSCALLS.md
    syscalls_gen.py SYSCALLS FLAGS --check DOC    fails when DOC is not what --doc would write

The grammar of the table is at its top."""
import re
import sys

INT32 = ["int", "fd", "dirfd", "pid", "sig", "clock"]
UINT32 = ["uint", "uid", "gid", "mode", "futex_op"]
INT64 = ["long", "off"]
UINT64 = ["ulong", "size"]
ADDRESS = ["path", "str", "ptr"]
SCALARS = INT32 + UINT32 + INT64 + UINT64 + ADDRESS
SETS = {"enum": "int32_t", "flags": "uint32_t", "flags64": "uint64_t"}
DIRECTIONS = ["in", "out", "io"]
STATES = ["full", "partial"]
RESTARTS = ["no", "restart", "nohand", "block", "eintr"]


def fail(where, what):
    sys.exit("syscalls.tbl: %s: %s" % (where, what))


class Arg:
    """One argument: C type, and how strace shows it."""

    def __init__(self, where, text, structs, sets):
        match = re.fullmatch(r"(\w+):(\w+)(?:\.(\w+))?(?:\((\w+)\))?", text)
        if not match:
            fail(where, "cannot read argument '%s'" % text)
        self.name, self.type, self.direction, self.inner = match.groups()
        self.set = self.struct = None
        if self.direction:
            if self.direction not in DIRECTIONS:
                fail(where, "direction of '%s'" % text)
            if self.type != "buf" and self.type not in structs:
                fail(where, "struct %s is not declared" % self.type)
            self.ctype, self.struct = "uaddr_t", self.type
        elif self.type in SETS:
            if self.inner not in sets:
                fail(where, "set %s is not in trace_flags.tbl" % self.inner)
            self.ctype, self.set, self.inner = SETS[self.type], self.inner, None
        elif self.type in SCALARS:
            self.ctype = ("int32_t" if self.type in INT32 else "uint32_t" if self.type in UINT32
                          else "int64_t" if self.type in INT64 else
                          "uint64_t" if self.type in UINT64 else "uaddr_t")
        else:
            fail(where, "unknown type '%s'" % self.type)

    def unpack(self, register):
        if self.type == "mode":
            return "(uint16_t)%s" % register
        return register if self.ctype in ("uint64_t", "uaddr_t") else "(%s)%s" % (self.ctype, register)

    def trace_kind(self):
        if self.struct == "buf":
            return "TRACE_BUF"
        return "TRACE_STRUCT" if self.struct else "TRACE_" + self.type.upper()


class Row:
    def __init__(self, line, structs, sets):
        columns = [c.strip() for c in line.split("|")]
        if len(columns) != 6:
            fail(line, "a row has six columns")
        number, self.name = columns[0].split()
        self.number = int(number)
        args, arrow, result = columns[1].partition("->")
        self.returns_address = bool(arrow)
        if arrow and result.strip() != "ptr":
            fail(self.name, "the only result type is ptr")
        self.args = [Arg(self.name, a, structs, sets) for a in args.split()]
        if len(self.args) > 6:
            fail(self.name, "more than six arguments")
        names = [a.name for a in self.args]
        for a in self.args:
            if a.inner and a.inner != "ret" and a.inner not in names:
                fail(self.name, "%s: no argument %s" % (a.name, a.inner))
        self.state, self.error = columns[2], None
        if self.state.startswith("errno:"):
            self.state, self.error = "errno", self.state[6:]
        elif self.state not in STATES:
            fail(self.name, "state '%s'" % self.state)
        self.restart = columns[3]
        if self.restart not in RESTARTS:
            fail(self.name, "restart class '%s'" % self.restart)
        self.handler = "sys_" + self.name if columns[4] == "." else columns[4]
        self.note = columns[5]
        if self.state in ("partial", "errno") and not self.note:
            fail(self.name, "%s needs a note" % self.state)

    def implemented(self):
        return self.state in ("full", "partial")

    def prototype(self):
        args = "".join(", %s %s" % (a.ctype, a.name) for a in self.args)
        return "int64_t %s(struct task *task%s)" % (self.handler, args)


def lines_of(path):
    return [l.rstrip("\n") for l in open(path) if l.strip() and not l.startswith("#")]


def read_sets(path):
    sets, current = {}, None
    for line in lines_of(path):
        words = line.split()
        if not line.startswith(" "):
            current = words.pop(0)
            if sets and current < max(sets):
                sys.exit("trace_flags.tbl: %s is out of order" % current)
            sets[current] = []
        for word in words:
            name, value = word.split("=")
            if re.fullmatch(r"0[0-7]+", value):
                value = hex(int(value, 8))
            sets[current].append((name, value))
    return sets


def read_table(path, sets):
    structs, rows = {}, []
    for line in lines_of(path):
        words = line.split()
        if words[0] == "struct":
            structs[words[1]] = (int(words[2]), words[3:] == ["traced"])
        else:
            rows.append(Row(line, structs, sets))
    numbers = [r.number for r in rows]
    if numbers != sorted(set(numbers)):
        sys.exit("syscalls.tbl: numbers must increase")
    return structs, rows


def write_header(rows):
    out = ["// Generated from kernel/syscalls.tbl: the handlers of implemented calls.",
           "#ifndef KERNEL_SYSCALL_HANDLERS_H", "#define KERNEL_SYSCALL_HANDLERS_H", "",
           '#include "kernel/user.h"', "#include <stdint.h>", "", "struct task;", ""]
    out += ["enum { LINUX_SYSCALL_COUNT = %d };" % (rows[-1].number + 1), "enum {"]
    out += ["    LINUX_NR_%s = %d," % (r.name, r.number) for r in rows]
    out += ["};", ""]
    out += [r.prototype() + ";" for r in rows if r.implemented()]
    return "\n".join(out + ["", "#endif", ""])


def write_trace(structs):
    out = ["// Generated from kernel/syscalls.tbl: how strace shows structs.",
           "#ifndef KERNEL_SYSCALL_TRACE_H", "#define KERNEL_SYSCALL_TRACE_H", "",
           '#include "kernel/user.h"', "#include <stdint.h>", "", "struct task;",
           "struct trace_line;", ""]
    out += ["void trace_%s(struct trace_line *line, struct task *task, uaddr_t addr, "
            "uint64_t count);" % s for s, (_, traced) in sorted(structs.items()) if traced]
    return "\n".join(out + ["", "#endif", ""])


def set_rows(sets):
    for name, values in sorted(sets.items()):
        yield "static const struct trace_name set_%s[] = {" % name
        yield from ('    {(int64_t)%s, "%s"},' % (value, text) for text, value in values)
        yield "    {0, NULL},"
        yield "};"


def arg_row(row, arg):
    length = "TRACE_LEN_ONE"
    if arg.inner == "ret":
        length = "TRACE_LEN_RESULT"
    elif arg.inner:
        length = str([a.name for a in row.args].index(arg.inner))
    direction = "TRACE_" + arg.direction.upper() if arg.direction else "TRACE_IN"
    struct = "TRACE_STRUCT_" + arg.struct if arg.struct and arg.struct != "buf" else "0"
    names = "set_" + arg.set if arg.set else "NULL"
    return '    {"%s", %s, %s, %s, %s, %s},' % (arg.name, arg.trace_kind(), direction, struct,
                                                length, names)


def write_table(structs, sets, rows):
    out = ["// Generated from kernel/syscalls.tbl and kernel/trace_flags.tbl."]
    out += ["enum trace_struct {", "    TRACE_STRUCT_NONE,"]
    out += ["    TRACE_STRUCT_%s," % s for s in sorted(structs)] + ["};", ""]
    out += ["static const struct trace_struct_info trace_structs[] = {"]
    out += ['    [TRACE_STRUCT_%s] = {"%s", %d, %s},' %
            (s, s, size, "trace_" + s if traced else "NULL")
            for s, (size, traced) in sorted(structs.items())] + ["};", ""]
    out += list(set_rows(sets)) + [""]
    for row in rows:
        if row.args:
            out += ["static const struct syscall_arg args_%s[] = {" % row.name]
            out += [arg_row(row, a) for a in row.args] + ["};"]
        if row.implemented():
            used = ["x[%d]" % i for i in range(len(row.args))]
            call = ", ".join(["task"] + [a.unpack(x) for a, x in zip(row.args, used)])
            out += ["static int64_t run_%s(struct task *task, const uint64_t *x)" % row.name, "{"]
            out += ["    (void)x;"] if not row.args else []
            out += ["    return %s(%s);" % (row.handler, call), "}"]
    out += ["", "static const struct syscall_entry syscall_table[LINUX_SYSCALL_COUNT] = {"]
    for row in rows:
        run = "run_" + row.name if row.implemented() else "NULL"
        args = "args_" + row.name if row.args else "NULL"
        error = "LINUX_" + row.error if row.error else "0"
        out.append('    [%d] = {"%s", %s, %s, %d, RESTART_%s, %s, %s},' % (
            row.number, row.name, run, args, len(row.args), row.restart.upper(), error, "true" if row.returns_address else "false"))
    return "\n".join(out + ["};", ""])


def fuzz_arg(row, arg):
    kind = "BUF" if arg.struct == "buf" else "STRUCT" if arg.struct else \
        "SET" if arg.set else arg.type.upper()
    names = [a.name for a in row.args]
    length = names.index(arg.inner) if arg.inner and arg.inner != "ret" else -1
    struct = "FUZZ_STRUCT_" + arg.struct if kind == "STRUCT" else "FUZZ_STRUCT_none"
    values = "&set_" + arg.set if arg.set else "NULL"
    return '    {"%s", FUZZ_%s, %s, %d, %s, %s},' % (
        arg.name, kind, struct, length, values, "true" if arg.type == "enum" else "false")


def write_fuzz(structs, sets, rows):
    out = ["// Generated from kernel/syscalls.tbl and kernel/trace_flags.tbl."]
    out += ["enum fuzz_struct {", "    FUZZ_STRUCT_none,"]
    out += ["    FUZZ_STRUCT_%s," % s for s in sorted(structs)] + ["};", ""]
    out += ["static const unsigned fuzz_struct_size[] = {", "    0,"]
    out += ["    %d," % structs[s][0] for s in sorted(structs)] + ["};", ""]
    for name, values in sorted(sets.items()):
        out += ["static const struct fuzz_set set_%s = {%d, (const uint64_t[]){%s}};" % (
            name, len(values), ", ".join("(uint64_t)%s" % v for _, v in values))]
    for row in rows:
        if row.args:
            out += ["static const struct fuzz_arg args_%s[] = {" % row.name]
            out += [fuzz_arg(row, a) for a in row.args] + ["};"]
    out += ["", "static const struct fuzz_row fuzz_rows[] = {"]
    out += ['    {"%s", %d, %d, %s, %s},' % (
        r.name, r.number, len(r.args), "true" if r.implemented() else "false",
        "args_" + r.name if r.args else "NULL") for r in rows]
    return "\n".join(out + ["};", ""])


def write_doc(rows):
    out = ["# System calls", "",
           "Generated from `kernel/syscalls.tbl` by `kernel/syscalls_gen.py`. Numbers are those of "
           "ARM64 Linux 6.1.", "",
           "| nr | call | state | interrupted by a signal | note |", "|---|---|---|---|---|"]
    words = {"no": "never", "restart": "restart with SA_RESTART", "nohand": "EINTR after a handler",
             "block": "restart block", "eintr": "EINTR"}
    for r in rows:
        state = "-" + r.error if r.error else r.state
        out.append("| %d | %s(%s) | %s | %s | %s |" % (
            r.number, r.name, ", ".join(a.name for a in r.args), state, words[r.restart], r.note))
    return "\n".join(out) + "\n"


def main():
    table, flags, mode, path = sys.argv[1:5]
    sets = read_sets(flags)
    structs, rows = read_table(table, sets)
    if mode == "--check":
        if open(path).read() != write_doc(rows):
            sys.exit("%s is not current: run %s %s %s --doc %s" % (
                path, sys.argv[0], table, flags, path))
        return
    text = {"--header": lambda: write_header(rows),
            "--trace": lambda: write_trace(structs),
            "--table": lambda: write_table(structs, sets, rows),
            "--fuzz": lambda: write_fuzz(structs, sets, rows),
            "--doc": lambda: write_doc(rows)}[mode]()
    open(path, "w").write(text)


main()
