#!/usr/bin/env python3
"""Generates the A64 decoder, gadgets, disassembler and ledgers from a64.tbl.

  a64_gen.py build TABLE OUTDIR DISPATCH PINS OPS_FILE...   everything the build needs, into OUTDIR;
                                  PINS: comma-separated register numbers to pin, or `none`
  a64_gen.py docs TABLE FILE OPS_FILE...      writes docs/INSTRUCTIONS.md
  a64_gen.py check-docs TABLE FILE OPS_FILE...  fails if that file is not current
"""

import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from gen import decode, disas, docs, features, gadgets, operands, variants  # noqa: E402
from gen.table import Table, TableError, fail  # noqa: E402

OP = re.compile(r"^OP\((\w+)\)", re.M)
# Bodies of these files are expanded inside the computed-goto loop; the others are called from it.
GOTO_INLINE = ("alu.c", "branch.c", "mem.c", "engine.c")


def op_bodies(paths):
    bodies = {}
    for path in paths:
        with open(path, encoding="utf-8") as f:
            for name in OP.findall(f.read()):
                if name in bodies:
                    raise TableError(f"{path}: OP({name}) also in {bodies[name]}")
                bodies[name] = path
    return bodies


def emit_rows(table, made):
    out = ["// Generated from a64.tbl: names of rows and gadgets.", "#ifndef EMU_A64_ROWS_H",
           "#define EMU_A64_ROWS_H", "", "enum a64_row {", "    A64_UNALLOCATED,"]
    out += [f"    {r.c_name}," for r in table.rows]
    out += ["    A64_ROW_COUNT,", "};", "", "enum gadget {"]
    out += [f"    GADGET_{g.name.upper()}," for g in made.list]
    return "\n".join(out + ["    GADGET_COUNT,", "};", "", "#endif", ""])


def write(outdir, name, text):
    path = os.path.join(outdir, name)
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def write_variants(outdir, pins, made, bodies, inline, path):
    found = variants.Variants(path, made, pins, bodies, inline)
    write(outdir, "a64_variant_tables.c", found.emit_tables(inline is not None))
    write(outdir, "a64_variant_items.c", found.emit_items())
    table, labels = found.emit_goto() if inline is not None else ("", "")
    write(outdir, "a64_goto_variant_table.inc", table)
    write(outdir, "a64_goto_variants.inc", labels)
    write(outdir, "a64_variant_decls.h", variants.emit_decls(len(found.sequences)))
    for part in range(variants.FILES):
        text = found.emit_file(part) if inline is None else "// Labels, in this mode.\n"
        write(outdir, f"a64_variants_{part}.c", text)


def build(table, outdir, dispatch, pins, ops):
    pins = [] if pins == "none" else [int(p) for p in pins.split(",")]
    bodies = op_bodies(ops)
    made = operands.Gadgets(table, bodies)
    unused = set(bodies) - {g.body for g in made.list}
    if unused:
        raise TableError(f"no row uses OP({sorted(unused)[0]})")
    write(outdir, "a64_rows.h", emit_rows(table, made))
    write(outdir, "pins.h", gadgets.emit_pins(pins))
    write(outdir, "a64_params.h", gadgets.emit_params(made))
    write(outdir, "a64_decode.c", decode.emit(table))
    write(outdir, "a64_operands.c", operands.emit(table, made))
    write(outdir, "a64_disas.c", disas.emit(table))
    write(outdir, "a64_features.c", features.emit(table))
    write(outdir, "a64_gadget_decls.h", gadgets.emit_decls(made.list, bool(pins)))
    write(outdir, "a64_gadget_table.c", gadgets.emit_table(made, bool(pins)))
    write(outdir, "a64_gadget_names.c", gadgets.emit_names(made))
    inline = {b for b, p in bodies.items() if os.path.basename(p) in GOTO_INLINE}
    labels_table, labels = gadgets.emit_goto(made.list, inline)
    write(outdir, "a64_goto_table.inc", labels_table)
    write(outdir, "a64_goto_labels.inc", labels)
    write_variants(outdir, pins, made, bodies, inline if dispatch == "goto" else None,
                   os.path.join(table.dir, "variants.tbl"))
    for path in ops:
        name = os.path.basename(path)
        mine = [g for g in made.list if bodies[g.body] == path]
        write(outdir, f"gadgets_{name}", gadgets.emit_wrappers(f"emu/ops/{name}", mine, pins))


def main(argv):
    if len(argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    command, path, target, ops = argv[1], argv[2], argv[3], argv[4:]
    try:
        table = Table(path)
        for row in table.rows + table.gadgets:
            row.c_name = "A64_" + row.name.upper()
        if command == "build":
            build(table, target, ops[0], ops[1], ops[2:])
            return 0
        text = docs.emit(table)
        if command == "docs":
            write(os.path.dirname(target), os.path.basename(target), text)
            return 0
        with open(target, encoding="utf-8") as f:
            if f.read() != text:
                fail(f"{target} is not current: run `ninja instruction-docs`")
        return 0
    except TableError as error:
        fail(str(error))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
