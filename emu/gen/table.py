"""Reads a64.tbl and its includes into Row objects, and checks them against each other.

The grammar is described at the top of a64.tbl. Conditions are C expressions restricted so that they
can also be evaluated here.
"""

import os
import re
import sys

KINDS = {"X", "XS", "W", "WS", "R", "RS", "V", "N"}
FACTS = {"ends", "cond", "stop", "rflags", "wflags", "load", "store", "fp", "sys", "hint", "excl",
         "atomic"}
EXEC_KEYS = {"body", "write", "read", "update", "expand", "imm", "const", "near", "pack", "target"}
IDENT = re.compile(r"[A-Za-z_]\w*")
C_WORDS = {"uint64_t", "int64_t", "uint32_t", "int32_t", "int"}


# Conditions are written the way people read them: && binds closer than ||.
PRAGMA = '#pragma GCC diagnostic ignored "-Wparentheses"'


class TableError(Exception):
    pass


class Operand:
    """A register operand: name, expression for the number, kind, access (r, w, rw)."""

    def __init__(self, name, expr, kind, access):
        self.name, self.expr, self.kind, self.access = name, expr, kind, access

    @property
    def is_x(self):
        return self.kind not in "VN"


class Exec:
    """One way to execute a row: the row itself or a form."""

    def __init__(self, where):
        self.where = where
        self.cond = None
        self.body = None
        self.operands = []
        self.fixed = []      # (name, register number) of operands that are always that register
        self.expand = []     # (name, expr, first value, count)
        self.imm = None      # (kind, value)
        self.given = set()


class Row:
    def __init__(self, name, where):
        self.name, self.where = name, where
        self.fields = {}     # name -> (shift, width)
        self.mask = self.value = 0
        self.pattern = ""
        self.valid = self.unpred = self.feat = self.asm = None
        self.facts = set()
        self.main = Exec(where)
        self.main.body = name
        self.forms = []
        self.section = None

    def execs(self):
        return self.forms + [self.main]


ITEM_END = re.compile(r":([A-Z]+|\d+(\.\.\d+)?)$")


def items(value):
    """The words of an attribute; `name=EXPR:KIND` is one although EXPR may contain blanks."""
    out = []
    for word in [] if value == "-" else value.split():
        if out and "=" in out[-1] and not ITEM_END.search(out[-1]):
            out[-1] += " " + word
        else:
            out.append(word)
    return out


def to_python(expr):
    expr = re.sub(r"!(?!=)", " not ", expr)
    return expr.replace("&&", " and ").replace("||", " or ").strip()


def names_in(expr):
    """Field names an expression mentions (functions and C words excluded)."""
    out = []
    for m in IDENT.finditer(expr):
        rest = expr[m.end():].lstrip()
        if m.group() in C_WORDS or rest.startswith("("):
            continue
        if m.start() and (expr[m.start() - 1].isdigit()):
            continue
        if m.group() not in out:
            out.append(m.group())
    return out


class Table:
    def __init__(self, path):
        self.rows, self.gadgets, self.features = [], [], {}
        self.files = []
        self.ready = set()
        self.dir = os.path.dirname(path)
        self.path = path
        self.read(path)
        names = set()
        for row in self.rows + self.gadgets:
            if row.name in names:
                raise TableError(f"{row.where}: {row.name} is defined twice")
            names.add(row.name)
            self.finish(row)
        check_disjoint(self.rows)

    # --- reading -------------------------------------------------------------------------------
    def read(self, path):
        self.files.append(path)
        section = os.path.splitext(os.path.basename(path))[0]
        row = ex = None
        with open(path, encoding="ascii") as f:
            for number, line in enumerate(f, 1):
                where = f"{path}:{number}"
                line = line.rstrip("\n")
                if not line.strip() or line.startswith("#"):
                    continue
                if line[0] != " ":
                    row = self.start(line, where, section)
                    ex = row.main if row else None
                    continue
                if row is None:
                    raise TableError(f"{where}: attribute without a row")
                ex = self.attribute(row, ex, line.strip(), where)

    def start(self, line, where, section):
        words = line.split()
        if words[0] == "include":
            self.read(os.path.join(self.dir, "a64", words[1]))
            return None
        if words[0] == "feature":
            self.feature(words[1:], where)
            return None
        if words[0] == "gadget":
            row = Row(words[1], where)
            self.gadgets.append(row)
        else:
            row = Row(words[0], where)
            self.pattern(row, words[1:])
            self.rows.append(row)
        row.section = section
        return row

    def feature(self, words, where):
        info = {"hwcap": None, "hwcap2": None, "id": []}
        for w in words[1:]:
            if w == "ready":
                self.ready.add(words[0])
                continue
            key, value = w.split("=")
            if key in ("hwcap", "hwcap2"):
                info[key] = int(value)
            else:
                reg, shift = key.split(".")
                info["id"].append((reg, int(shift), int(value)))
        self.features[words[0]] = info

    def pattern(self, row, tokens):
        bit = 32
        text = ""
        for tok in tokens:
            if re.fullmatch(r"[01]+", tok):
                for c in tok:
                    bit -= 1
                    row.mask |= 1 << bit
                    row.value |= int(c) << bit
                text += tok
                continue
            name, _, width = tok.partition(":")
            width = int(width or 1)
            if not IDENT.fullmatch(name) or name in row.fields:
                raise TableError(f"{row.where}: bad field {tok}")
            bit -= width
            row.fields[name] = (bit, width)
            text += f" {name}:{width} " if width > 1 else f" {name} "
        if bit != 0:
            raise TableError(f"{row.where}: {row.name}: pattern has {32 - bit} bits")
        row.pattern = " ".join(text.split())

    def attribute(self, row, ex, text, where):
        key, _, value = text.partition(" ")
        value = value.strip()
        if key == "form":
            body, _, cond = value.partition(" if ")
            ex = Exec(where)
            ex.body, ex.cond = body.strip(), cond.strip()
            if not cond:
                raise TableError(f"{where}: a form needs `if`")
            row.forms.append(ex)
        elif key in EXEC_KEYS:
            self.exec_attribute(row, ex, key, value, where)
        elif ex is not row.main:
            raise TableError(f"{where}: `{key}` does not belong in a form")
        elif key == "is":
            row.facts |= set(value.split())
            if not row.facts <= FACTS:
                raise TableError(f"{where}: unknown fact in `{value}`")
        elif key in ("valid", "unpred", "feat", "asm"):
            if getattr(row, key) is not None:
                raise TableError(f"{where}: `{key}` is given twice")
            setattr(row, key, value)
        else:
            raise TableError(f"{where}: unknown attribute `{key}`")
        return ex

    def exec_attribute(self, row, ex, key, value, where):
        ex.given.add(key)
        if key == "body":
            ex.body = value
        elif key in ("write", "read", "update"):
            access = {"write": "w", "read": "r", "update": "rw"}[key]
            for word in items(value):
                name, _, kind = word.rpartition(":")
                name, _, expr = name.partition("=")
                if kind not in KINDS:
                    raise TableError(f"{where}: bad operand `{word}`")
                if expr.isdigit():
                    ex.fixed.append((name, int(expr)))
                else:
                    ex.operands.append(Operand(name, expr or name, kind, access))
        elif key == "expand":
            for word in items(value):
                name, _, rest = word.partition("=")
                if rest:
                    expr, _, values = rest.rpartition(":")
                    low, dots, high = values.rpartition("..")
                    first = int(low) if dots else 0
                    ex.expand.append((name, expr, first, int(high) + bool(dots) - first))
                else:
                    if name not in row.fields:
                        raise TableError(f"{where}: no field {name}")
                    ex.expand.append((name, name, 0, 1 << row.fields[name][1]))
        elif ex.imm:
            raise TableError(f"{where}: two immediates")
        elif key == "pack":
            parts = []
            for word in items(value):
                name, _, bits = word.rpartition(":")
                name, _, expr = name.partition("=")
                parts.append((name, expr or name, int(bits)))
            if sum(p[2] for p in parts) > 32:
                raise TableError(f"{where}: pack holds 32 bits")
            ex.imm = ("pack", parts)
        else:
            ex.imm = (key, value)

    # --- consistency ---------------------------------------------------------------------------
    def finish(self, row):
        for name in set(row.fields) & {"word", "row", "pc", "out", "ops", "words", "e"}:
            raise TableError(f"{row.where}: a field may not be called {name}")
        if row.feat and row.feat not in self.features:
            raise TableError(f"{row.where}: unknown feature {row.feat}")
        for ex in row.forms:
            if not ex.given & {"write", "read", "update"}:
                ex.operands, ex.fixed = row.main.operands, row.main.fixed
            if "expand" not in ex.given:
                ex.expand = row.main.expand
        for expr in (row.valid, row.unpred):
            for name in names_in(expr or ""):
                if name not in row.fields:
                    raise TableError(f"{row.where}: no field {name} in `{expr}`")
        for ex in row.execs():
            limit = 8
            if ex.imm:
                limit = {"target": 2, "near": 1}.get(ex.imm[0], 4)
            if len(ex.operands) > limit:
                raise TableError(f"{ex.where}: more than {limit} operands")
        if row.pattern and row.asm is None:
            raise TableError(f"{row.where}: {row.name} has no asm text")


def field_value(row, word, name):
    shift, width = row.fields[name]
    return word >> shift & ((1 << width) - 1)


def evaluate(row, expr, word):
    env = {n: field_value(row, word, n) for n in names_in(expr)}
    return bool(eval(to_python(expr), {"__builtins__": {}}, env))  # our own table, not input


def free_bits(row, names):
    bits = 0
    for n in names:
        shift, width = row.fields[n]
        bits |= ((1 << width) - 1) << shift
    return bits


def check_disjoint(rows):
    """No word may satisfy two rows: fixed bits decide, else the conditions by enumeration."""
    ordered = sorted(rows, key=lambda r: r.mask)
    for i, a in enumerate(ordered):
        for b in ordered[i + 1:]:
            common = a.mask & b.mask
            if (a.value ^ b.value) & common:
                continue
            if not both_possible(a, b):
                continue
            raise TableError(f"{a.where}: {a.name} overlaps {b.name} ({b.where})")


def both_possible(a, b):
    conds = [(r, r.valid) for r in (a, b) if r.valid]
    if not conds:
        return True
    fixed = a.value | b.value
    free = 0
    for row, expr in conds:
        free |= free_bits(row, names_in(expr))
    free &= ~(a.mask | b.mask)
    positions = [i for i in range(32) if free >> i & 1]
    if len(positions) > 20:
        raise TableError(f"{a.where}: conditions of {a.name} and {b.name} are too wide to compare")
    for n in range(1 << len(positions)):
        word = fixed
        for k, p in enumerate(positions):
            word |= (n >> k & 1) << p
        if all(evaluate(row, expr, word) for row, expr in conds):
            return True
    return False


def fail(message):
    print(f"a64_gen: {message}", file=sys.stderr)
    sys.exit(1)
