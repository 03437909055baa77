"""Emits the gadgets of variants.tbl: instances with pinned registers, and sequences of instances that
run as one gadget; and the tables by which the translator finds them.

A line of variants.tbl is a sequence `gadget(binding,...) + ...`, a binding for each operand: a
register name if that register is to be a pin, `*` for any register that is none, `-` for operands that
are no general registers.
"""

import bisect
import itertools
import re

from gen.gadgets import LAYOUT, params_of
from gen.table import TableError

ITEM = re.compile(r"(\w+)\(([^)]*)\)")
FILES = 8


class Variants:
    def __init__(self, path, gadgets, pins, bodies, only_bodies=None):
        """`only_bodies`: sequences of other bodies are left out (the goto loop has no others)."""
        self.pins, self.bodies = pins, bodies
        self.by_name = {g.name: g for g in gadgets.list}
        self.sequences = []          # tuples of (gadget, bindings); binding: pin index, None
        seen = set()
        with open(path, encoding="ascii") as f:
            for number, line in enumerate(f, 1):
                line = line.strip()
                if not line or line.startswith("#"):
                    continue
                seq = self.parse(line, f"{path}:{number}")
                if seq is None or seq in seen:
                    continue
                if only_bodies is not None and not all(g.body in only_bodies for g, _ in seq):
                    continue
                seen.add(seq)
                self.sequences.append(seq)
        self.build_trie()

    def parse(self, line, where):
        """None where nothing is gained: a single instance without pins, an unknown gadget."""
        seq = []
        for part in line.split(" + "):
            m = ITEM.fullmatch(part)
            if not m:
                raise TableError(f"{where}: bad item `{part}`")
            g = self.by_name.get(m.group(1))
            if not g:
                return None  # the table has moved on; the list is advice, not a contract
            names = m.group(2).split(",") if m.group(2) else []
            if len(names) != len(g.operands):
                return None
            seq.append((g, tuple(self.binding(n) for n in names)))
        if len(seq) == 1 and not any(b is not None for b in seq[0][1]):
            return None
        return tuple(seq)

    def binding(self, name):
        if name in "*-":
            return None
        number = 31 if name == "sp" else int(name[1:])
        return self.pins.index(number) if number in self.pins else None

    def build_trie(self):
        # Numbered so that those of one gadget stand together, the most bound first.
        self.instances = sorted({item for seq in self.sequences for item in seq},
                                key=lambda item: (item[0].number, item[1].count(None),
                                                  self.signature(item)))
        number = {item: n for n, item in enumerate(self.instances)}
        self.edges, self.ends = {}, {}
        self.count = 1               # nodes; 0 is the root
        for i, seq in enumerate(self.sequences):
            node = 0
            for item in seq:
                inst = number[item]
                if (node, inst) not in self.edges:
                    self.edges[(node, inst)] = self.count
                    self.count += 1
                node = self.edges[(node, inst)]
            self.ends[node] = i
        if self.count >= 0x10000:
            raise TableError("variants.tbl has too many sequences")

    # --- code ------------------------------------------------------------------------------------
    @staticmethod
    def call(item):
        g, binds = item
        args = ["&e"]
        for name, ctype, arg in params_of(g):
            for i, o in enumerate(g.operands):
                if o.name == name and o.is_x and binds[i] is not None:
                    arg = f"XPIN({binds[i]})"
            args.append(arg)
        return f"op_{g.body}({', '.join(args)});"

    def sp_check(self, item):
        g, binds = item
        for i, o in enumerate(g.operands):
            if not o.kind.endswith("S") or "w" not in o.access:
                continue
            if 31 not in self.pins:
                return " CHECK_SP(e.cpu->x[CPU_SP]);"
            if binds[i] == self.pins.index(31):
                return f" CHECK_SP(e.p{binds[i]});"
        return ""

    def code(self, i):
        return " THEN ".join(self.call(item) + self.sp_check(item) for item in self.sequences[i])

    def text(self, i):
        def name(b):
            return "*" if b is None else f"p{b}"
        return " + ".join(f"{g.name}({','.join(name(b) for b in bs)})"
                          for g, bs in self.sequences[i])

    def emit_file(self, part, ops_dir="emu/ops"):
        mine = [i for i in range(len(self.sequences)) if i % FILES == part]
        files = sorted({self.bodies[g.body].split("/")[-1]
                        for i in mine for g, _ in self.sequences[i]})
        out = ["// Generated from variants.tbl: gadgets with pins, and fused gadgets."]
        out += [f'#include "{ops_dir}/{f}"' for f in files] + ['#include "emu/gadget.h"', ""]
        for i in mine:
            out.append(f"// {self.text(i)}")
            out.append(f"VARIANT({i}) {{ ENTER; {self.code(i)} LEAVE_THEN; }}")
        return "\n".join(out + [""])

    def emit_goto(self):
        table = [f"&&V_{i}," for i in range(len(self.sequences))]
        labels = [f"V_{i}: {{ BEGIN_FUSED; {self.code(i)} END_FUSED; }}"
                  for i in range(len(self.sequences))]
        return ("// Generated from variants.tbl: addresses of the labels.\n" + "\n".join(table)
                + "\n", "// Generated from variants.tbl: the labels.\n" + "\n".join(labels) + "\n")

    # --- tables ----------------------------------------------------------------------------------
    @staticmethod
    def signature(item):
        sig = 0
        for i, b in enumerate(item[1]):
            sig |= (0 if b is None else b + 1) << 4 * i
        return sig & 0xFFFF

    def by_gadget(self):
        """What struct variant_instance and struct variant_gadget hold, and the masks."""
        instances, gadgets, masks = [], [], []
        groups = {g: list(items) for g, items in
                  itertools.groupby(self.instances, lambda item: item[0].number)}
        for g in sorted(self.by_name.values(), key=lambda g: g.number):
            gadgets.append(f"{{{len(instances)}, {len(masks)}}}")
            items = groups.get(g.number, [])
            if len(items) > 64:
                raise TableError(f"variants.tbl has too many instances of {g.name}")
            for item in items:
                first = self.edges.get((0, len(instances)), 0)
                indexed = sum(o.is_x and b is None for o, b in zip(g.operands, item[1]))
                instances.append(f"{{{first}, {indexed}}}")
            masks += [self.mask(items, i, pin) for i, o in enumerate(g.operands)
                      if items and o.is_x for pin in (None, *range(len(self.pins)))]
        gadgets.append(f"{{{len(instances)}, {len(masks)}}}")
        return instances or ["{0, 0}"], gadgets, masks or ["0"]

    @staticmethod
    def mask(items, operand, pin):
        """Those of one gadget's instances that can stand for it with the operand in `pin`."""
        read = "w" not in items[0][0].operands[operand].access
        fits = [item[1][operand] == pin or item[1][operand] is None and read for item in items]
        return f"{sum(fit << n for n, fit in enumerate(fits)):#x}"

    def emit_tables(self, goto):
        out = ["// Generated from variants.tbl: how the translator finds variants.",
               '#include "emu/variants.h"', ""]
        if not goto:
            out += [f"gadget_function variant_{i};" for i in range(len(self.sequences))]
        instances, gadgets, masks = self.by_gadget()
        edges = sorted((node, inst, to) for (node, inst), to in self.edges.items() if node)
        starts = [bisect.bisect_left(edges, (node,)) for node in range(self.count + 1)]
        nodes = [f"{{{self.ends.get(n, -1)}, {start}}}" for n, start in enumerate(starts)]
        edges = [f"{{{inst}, {to}}}" for _, inst, to in edges] or ["{0, 0}"]
        for kind, name, values, width in (("struct variant_gadget", "gadgets", gadgets, 8),
                                          ("struct variant_instance", "instances", instances, 8),
                                          ("uint64_t", "masks", masks, 4),
                                          ("struct variant_node", "nodes", nodes, 8),
                                          ("struct variant_edge", "edges", edges, 8)):
            out.append(f"const {kind} variant_{name}[] = {{")
            for i in range(0, len(values), width):
                out.append("    " + ", ".join(map(str, values[i:i + width])) + ",")
            out.append("};")
        if not goto:
            out += ["const gadget_ref *dispatch_variants(void)", "{",
                    "    static const gadget_ref variants[] = {"]
            out += [f"        variant_{i}," for i in range(len(self.sequences))] or ["        0,"]
            out += ["    };", "    return variants;", "}"]
        return "\n".join(out + [""])

    def emit_items(self):
        """For tests: what each variant is."""
        out = ["// Generated from variants.tbl: what the variants are.", '#include "emu/variants.h"',
               "", f"const unsigned variant_count = {len(self.sequences)};",
               "const uint8_t variant_lengths[] = {"]
        lengths = [str(len(seq)) for seq in self.sequences] or ["0"]
        for i in range(0, len(lengths), 32):
            out.append("    " + ", ".join(lengths[i:i + 32]) + ",")
        out += ["};", "const struct variant_item variant_items[][VARIANT_MAX] = {"]
        for i, seq in enumerate(self.sequences):
            items = ", ".join(f"{{{item[0].number}, {self.signature(item):#x}}}" for item in seq)
            out.append(f"    {{{items}}}, // {i}: {self.text(i)}")
        if not self.sequences:
            out.append("    {{0, 0}},")
        return "\n".join(out + ["};", ""])


def emit_decls(count):
    return "\n".join(["// Generated: variants."]
                     + [f"gadget_function variant_{i};" for i in range(count)] + [""])


__all__ = ["Variants", "emit_decls", "LAYOUT", "FILES"]
