"""Emits the decoder: a table by the top bits, where these leave a choice a tree of small tables over
groups of bits, and where that too does an exact check of the rows left."""

from gen.table import PRAGMA, names_in

FIRST = 21     # bits 31:FIRST of a word lead to its entry of the first table
MAX_WIDTH = 8  # of the others

# A reference is a row's number, or 0 when no row is left, or of a kind that bits 6:5 tell:
MORE = 1 << 31
NODE = MORE | 0 << 5   # 4:0 how far to shift, 15:8 what to mask, 30:16 where its entries begin
MAYBE = MORE | 1 << 5  # 30:8 this row if the whole of its pattern and its condition hold
LIST = MORE | 2 << 5   # 30:8 where in `leaves` the rows begin that still may match


class Tree:
    def __init__(self, rows):
        self.index = {r.name: i + 1 for i, r in enumerate(rows)}
        self.entries = []     # references: a node has one for each value of its bits
        self.leaves = []      # zero-terminated lists of row numbers
        self.leaf_at = {}
        self.node_at = {}
        self.first = self.step(list(rows), 0, FIRST, 32 - FIRST)

    def build(self, rows, done):
        """Returns the reference of what decides among `rows` once the bits `done` are known."""
        if not rows:
            return 0
        if len(rows) == 1 and not rows[0].valid and not rows[0].mask & ~done:
            return self.index[rows[0].name]
        best = self.choose(rows, done) if len(rows) > 1 else None
        if best is None:
            return self.leaf(rows)
        shift, width = best
        entries = self.step(rows, done, shift, width)
        key = (shift, width, tuple(entries))
        if key not in self.node_at:
            self.node_at[key] = len(self.entries)
            self.entries += entries
        return NODE | shift | (1 << width) - 1 << 8 | self.node_at[key] << 16

    def step(self, rows, done, shift, width):
        bits = ((1 << width) - 1) << shift
        return [self.build([r for r in rows if not (r.value ^ n << shift) & r.mask & bits],
                           done | bits) for n in range(1 << width)]

    def choose(self, rows, done):
        best, best_score = None, len(rows) - 0.01
        for width in range(1, MAX_WIDTH + 1):
            for shift in range(0, 33 - width):
                bits = ((1 << width) - 1) << shift
                if bits & done:
                    continue
                total = sum(1 << (width - bin(r.mask & bits).count("1")) for r in rows)
                score = total / (1 << width) + (1 << width) / 64
                if score < best_score:
                    best, best_score = (shift, width), score
        return best

    def leaf(self, rows):
        if len(rows) == 1:
            return MAYBE | self.index[rows[0].name] << 8
        key = tuple(self.index[r.name] for r in rows)
        if key not in self.leaf_at:
            self.leaf_at[key] = len(self.leaves)
            self.leaves += list(key) + [0]
        return LIST | self.leaf_at[key] << 8


def fields_c(row, names, indent):
    out = []
    for n in names:
        shift, width = row.fields[n]
        out.append(f"{indent}const uint32_t {n} = word >> {shift} & {hex((1 << width) - 1)};")
    return out


def predicate(name, rows, attr, default):
    out = [f"bool {name}(enum a64_row row, uint32_t word)", "{", "    switch (row) {"]
    for row in rows:
        expr = getattr(row, attr)
        if not expr:
            continue
        out.append(f"    case {row.c_name}: {{")
        out += fields_c(row, names_in(expr), "        ")
        out += [f"        return {expr};", "    }"]
    out += ["    default:", f"        return {default};", "    }", "}", ""]
    return out


def array(decl, values, per_line=12, fmt="{}"):
    out = [f"{decl} = {{"]
    for i in range(0, len(values), per_line):
        out.append("    " + ", ".join(fmt.format(v) for v in values[i:i + per_line]) + ",")
    return out + ["};", ""]


def emit(table):
    rows = table.rows
    tree = Tree(rows)
    assert len(tree.entries) < 0x8000
    out = ["// Generated from a64.tbl: the decoder.", PRAGMA, '#include "emu/a64.h"',
           '#include "platform/base/compiler.h"', ""]
    out += array("static const uint32_t first[]", tree.first)
    out += array("static const uint32_t tree[]", tree.entries)
    out += array("static const uint16_t leaves[]", tree.leaves)
    out += array("static const struct { uint32_t mask, value; } pattern[]",
                 ["{0, 1}"] + [f"{{{r.mask:#x}, {r.value:#x}}}" for r in rows], 4)
    out += predicate("a64_row_valid", rows, "valid", "true")
    out += predicate("a64_row_unpredictable", rows, "unpred", "false")
    out += [
        "static NOINLINE enum a64_row match(enum a64_row row, uint32_t word)", "{",
        "    if ((word & pattern[row].mask) != pattern[row].value)",
        "        return A64_UNALLOCATED;",
        "    return a64_row_valid(row, word) ? row : A64_UNALLOCATED;", "}", "",
        "static NOINLINE enum a64_row first_match(const uint16_t *leaf, uint32_t word)", "{",
        "    enum a64_row found = A64_UNALLOCATED;",
        "    for (; *leaf && found == A64_UNALLOCATED; leaf++)",
        "        found = match((enum a64_row)*leaf, word);",
        "    return found;", "}", "",
        "enum a64_row a64_decode(uint32_t word)", "{",
        f"    uint32_t ref = first[word >> {FIRST}];",
        f"    while (ref & {MORE:#x}) {{",
        f"        const uint32_t where = ref & {MORE - 1:#x}, kind = ref & {MORE | 0x60:#x};",
        f"        if (kind == {MAYBE:#x})",
        "            return match((enum a64_row)(where >> 8), word);",
        f"        if (kind == {LIST:#x})",
        "            return first_match(&leaves[where >> 8], word);",
        "        ref = tree[(where >> 16) + (word >> (ref & 31) & ref >> 8 & 0xff)];",
        "    }",
        "    return (enum a64_row)ref;", "}", "",
        "void a64_row_pattern(enum a64_row row, uint32_t *mask, uint32_t *value)", "{",
        "    *mask = pattern[row].mask;", "    *value = pattern[row].value;", "}", ""]
    # What tests and tools want to know about rows.
    fields, starts = [], [0, 0]
    for r in rows:
        for name, (shift, width) in r.fields.items():
            fields.append(f'{{"{name}", {shift}, {width}}}')
        starts.append(len(fields))
    out += array("static const struct a64_field fields[]", fields or ['{"", 0, 0}'], 3)
    out += array("static const uint16_t field_start[]", starts)
    info = ['{"unallocated", "", NULL, 0}']
    for r in rows:
        bits = " | ".join(f"A64_IS_{f.upper()}" for f in sorted(r.facts)) or "0"
        feat = f'"{r.feat}"' if r.feat else "NULL"
        info.append(f'{{"{r.name}", "{r.section}", {feat}, {bits}}}')
    out += array("const struct a64_row_info a64_rows[]", info, 1)
    out += [
        "size_t a64_row_fields(enum a64_row row, const struct a64_field **out)", "{",
        "    *out = &fields[field_start[row]];",
        "    return (size_t)(field_start[row + 1] - field_start[row]);", "}", ""]
    return "\n".join(out)
