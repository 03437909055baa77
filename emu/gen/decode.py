"""Emits the decoder: a tree of small tables over groups of bits, then an exact check of the row."""

from gen.table import PRAGMA, names_in

MAX_WIDTH = 8


class Tree:
    def __init__(self, rows):
        self.rows = rows
        self.index = {r.name: i + 1 for i, r in enumerate(rows)}
        # Words; a node is how far to shift (5 bits) and what to mask, then a reference for each
        # value. Offset 0 means "nothing matches".
        self.nodes = [0]
        self.leaves = [0]     # zero-terminated lists of row numbers; list 0 is empty
        self.leaf_at = {}
        self.node_at = {}
        self.root = self.build(list(rows), 0)

    def build(self, rows, done):
        """Returns a reference: even = node offset << 1, odd = leaf list offset << 1 | 1."""
        if not rows:
            return 1
        best = None
        if len(rows) > 1:
            best = self.choose(rows, done)
        if best is None:
            return self.leaf(rows)
        shift, width = best
        bits = ((1 << width) - 1) << shift
        entries = []
        for n in range(1 << width):
            sub = [r for r in rows if not (r.value ^ n << shift) & r.mask & bits]
            entries.append(self.build(sub, done | bits))
        key = (shift, width, tuple(entries))
        if key not in self.node_at:
            self.node_at[key] = len(self.nodes)
            self.nodes += [shift | (1 << width) - 1 << 5] + entries
        return self.node_at[key] << 1

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
        key = tuple(self.index[r.name] for r in rows)
        if key not in self.leaf_at:
            self.leaf_at[key] = len(self.leaves)
            self.leaves += list(key) + [0]
        return self.leaf_at[key] << 1 | 1


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
    assert max(tree.nodes) < 0x10000 * 2 and len(tree.leaves) < 0x8000
    out = ["// Generated from a64.tbl: the decoder.", PRAGMA, '#include "emu/a64.h"', ""]
    out += array("static const uint32_t tree[]", tree.nodes)
    out += array("static const uint16_t leaves[]", tree.leaves)
    out += array("static const struct { uint32_t mask, value; } pattern[]",
                 ["{0, 1}"] + [f"{{{r.mask:#x}, {r.value:#x}}}" for r in rows], 4)
    out += predicate("a64_row_valid", rows, "valid", "true")
    out += predicate("a64_row_unpredictable", rows, "unpred", "false")
    out += [
        "enum a64_row a64_decode(uint32_t word)", "{",
        f"    uint32_t ref = {tree.root};",
        "    while (!(ref & 1)) {",
        "        const uint32_t *node = &tree[ref >> 1];",
        "        ref = node[1 + (word >> (node[0] & 31) & node[0] >> 5)];",
        "    }",
        "    for (const uint16_t *leaf = &leaves[ref >> 1]; *leaf; leaf++) {",
        "        if ((word & pattern[*leaf].mask) == pattern[*leaf].value &&",
        "            a64_row_valid((enum a64_row)*leaf, word))",
        "            return (enum a64_row)*leaf;",
        "    }",
        "    return A64_UNALLOCATED;", "}", "",
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
    facts = sorted({f for r in rows for f in r.facts})
    _ = facts
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
