"""Allocates gadgets (one per body, constants and operand layout) and emits operand extraction."""

import itertools
import re
from gen.decode import fields_c
from gen.table import PRAGMA, TableError, names_in, to_python


class Gadget:
    """One instance of a body. key is what makes two of them the same."""

    def __init__(self, key, ex, consts, form):
        self.key, self.body, self.consts = key, ex.body, consts
        self.operands, self.fixed, self.imm, self.form = ex.operands, ex.fixed, ex.imm, form
        self.name = ex.body
        for _, v in consts:
            self.name += f"_{v}"
        self.number = None


# Every shape of immediate that a gadget is instantiated for. A `const` may sit in the record or in
# the block's literal pool, a `near` one always fits; a branch is forward or backward (which polls).
IMM_FORMS = {None: [""], "imm": [""], "pack": [""], "const": ["", "pool"], "near": [""],
             "target": ["", "back"]}


# Conditions of forms may ask what the host has; any instance may be wanted then.
HOST = {f"host_{what}": lambda: True for what in ("fma", "aes", "pclmul", "sha")}


class Gadgets:
    def __init__(self, table, bodies):
        self.table, self.bodies = table, bodies
        self.list, self.by_key, self.signature = [], {}, {}
        for row in table.gadgets + table.rows:
            for ex in row.execs():
                self.allocate(row, ex)

    def allocate(self, row, ex):
        if ex.body not in self.bodies:
            raise TableError(f"{ex.where}: no OP({ex.body}) in emu/ops")
        kind = ex.imm[0] if ex.imm else None
        layout = tuple((o.name, i, o.is_x) for i, o in enumerate(ex.operands))
        params = [(o.name, {"V": "v", "N": "n"}.get(o.kind, "x")) for o in ex.operands]
        params += [(n, "x") for n, _ in ex.fixed]
        layout += tuple(ex.fixed)
        params += [(n, "const") for n, _, _, _ in ex.expand]
        if kind == "pack":
            params += [(n, "pack") for n, _, _ in ex.imm[1]]
            layout += tuple((n, bits) for n, _, bits in ex.imm[1])
        elif kind:
            params.append({"target": ("poll", kind), "near": ("imm", "const")}.get(kind, ("imm", kind)))
        # Order must not matter to the author of rows that share a body.
        sign = tuple(sorted(params))
        if self.signature.setdefault(ex.body, sign) != sign:
            raise TableError(f"{ex.where}: {ex.body} has other operands than in an earlier row")
        ex.base = {}
        ranges = [range(first, first + n) for _, _, first, n in ex.expand]
        names = [n for n, _, _, _ in ex.expand]
        for values in itertools.product(*ranges):
            consts = tuple(zip(names, values))
            if not self.instance_valid(row, ex, dict(zip(names, values))):
                ex.base[values] = None
                continue
            for form in IMM_FORMS[kind]:
                key = (ex.body, tuple(sorted(consts)), layout, kind, form)
                g = self.by_key.get(key)
                if not g:
                    g = Gadget(key, ex, consts, form)
                    g.number = len(self.list)
                    g.facts = set()
                    g.host = False
                    if form:
                        g.name += "_" + form
                    self.by_key[key] = g
                    self.list.append(g)
                g.facts |= row.facts
                g.host = g.host or any("host_" in other.cond for other in row.forms)
                ex.base.setdefault(values, g.number)
        seen = {}
        for g in self.list:
            seen.setdefault(g.name, []).append(g)
        for name, group in seen.items():
            for i, g in enumerate(group[1:], 2):
                g.name = f"{name}__{i}"

    @staticmethod
    def instance_valid(row, ex, consts):
        """False if no word with these constants can reach this execution."""
        conds = [to_python(c) for c in (row.valid, ex.cond if ex is not row.main else None) if c]
        conds += [f"({to_python(e)}) == {consts[n]}" for n, e, _, _ in ex.expand
                  if n != e and not re.search(r"[?]|\w\(", e)]
        names = dict.fromkeys(n for c in conds for n in names_in(c) if n in row.fields)
        for n, e, _, _ in ex.expand:
            if n == e:
                names.pop(n, None)
        for group in connected(conds, names):
            free = [n for n in names if any(n in names_in(c) for c in group)]
            if sum(row.fields[n][1] for n in free) > 14:
                continue
            fixed = {n: consts[n] for n, e, _, _ in ex.expand if n == e}
            both = compile(" and ".join(f"({c})" for c in group), ex.where, "eval")
            if not any(eval(both, {"__builtins__": {}}, {**HOST, **fixed, **dict(zip(free, v))})
                       for v in itertools.product(*[range(1 << row.fields[n][1]) for n in free])):
                return False
        return True


def connected(conds, names):
    """Conditions in groups that share no free field."""
    groups = []
    for cond in conds:
        mine = {n for n in names_in(cond) if n in names}
        merged = [cond]
        for other in [g for g in groups if g[1] & mine]:
            groups.remove(other)
            merged += other[0]
            mine |= other[1]
        groups.append((merged, mine))
    return [g[0] for g in groups]


def slot_expr(op):
    number = f"({op.expr})" if op.expr != op.name else op.name
    if op.kind == "V":
        return f"INSN_V_SLOT({number})"
    if op.kind == "N" or op.kind.endswith("S"):
        return f"(uint8_t){number}"
    fn = {"r": "slot_read", "w": "slot_write", "rw": "slot_read"}[op.access]
    return f"{fn}({number})"


def exec_body(row, ex, gadgets, indent):
    """C statements that fill *o for one way of executing a row."""
    used = []
    for e in [o.expr for o in ex.operands] + [e for _, e, _, _ in ex.expand]:
        used += names_in(e)
    out = []
    values = list(ex.base.values())
    count = len(IMM_FORMS[ex.imm[0] if ex.imm else None])
    index = ""
    for _, expr, first, n in ex.expand:
        part = f"({expr}) - {first}" if first else f"({expr})"
        index = f"({index}) * {n} + {part}" if index else part
    if not ex.expand:
        out.append(f"ops->gadget = {values[0]};")
    else:
        present = [(i, v) for i, v in enumerate(values) if v is not None]
        first = present[0][1] - present[0][0] * count
        if all(v - i * count == first for i, v in present):
            scale = f"({index}) * {count}" if count > 1 else f"({index})"
            out.append(f"ops->gadget = (uint16_t)({scale} + ({first}u));"
                       if first >= 0 else f"ops->gadget = (uint16_t)({scale} - {-first}u);")
        else:
            text = ", ".join(str(v or 0) for v in values)
            out.append(f"static const uint16_t g[] = {{{text}}};")
            out.append(f"ops->gadget = g[{index}];")
    for i, op in enumerate(ex.operands):
        out.append(f"ops->r[{i}] = {slot_expr(op)};")
    if ex.imm:
        kind, value = ex.imm
        if kind == "pack":
            used += [n for _, e, _ in value for n in names_in(e)]
            shift, parts = 0, []
            for _, expr, bits in value:
                parts.append(f"(({expr}) & {hex((1 << bits) - 1)}u) << {shift}")
                shift += bits
            out.append(f"ops->value = (int64_t)({' | '.join(parts)});")
        else:
            used += names_in(value)
            out.append(f"ops->value = (int64_t)({value});")
    used = [n for n in dict.fromkeys(used) if n in row.fields]
    return used, [indent + line for line in out]


def emit(table, gadgets):
    out = ["// Generated from a64.tbl: operand extraction.", PRAGMA, '#include "emu/a64.h"',
           '#include "emu/a64_imm.h"', '#include "emu/cpu.h"', '#include "emu/host_cpu.h"',
           '#include "emu/insn.h"', "",
           "static inline uint8_t slot_read(uint32_t r)", "{",
           "    return (uint8_t)(r == 31 ? CPU_ZERO : r);", "}", "",
           "static inline uint8_t slot_write(uint32_t r)", "{",
           "    return (uint8_t)(r == 31 ? CPU_TRASH : r);", "}", "",
           "void a64_operands(enum a64_row row, uint32_t word, uint64_t pc,",
           "                  struct a64_operands *ops)", "{", "    switch (row) {"]
    for row in table.rows:
        out.append(f"    case {row.c_name}: {{")
        names, body = [], []
        for ex in row.forms:
            used, lines = exec_body(row, ex, gadgets, " " * 12)
            names += used + names_in(ex.cond)
            body += [f"        if ({ex.cond}) {{"] + lines + [" " * 12 + "return;", "        }"]
        used, lines = exec_body(row, row.main, gadgets, " " * 8)
        names += used
        out += fields_c(row, dict.fromkeys(names), "        ")
        out += body + lines + ["        return;", "    }"]
    out += ["    default:", f"        ops->gadget = GADGET_UNDEFINED;",
            "        ops->value = (int32_t)word;", "        return;", "    }", "}", ""]
    return "\n".join(out)
