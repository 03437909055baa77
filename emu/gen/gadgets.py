"""Emits the instances of the OP() bodies: parameter lists, wrappers, tables, the goto labels."""

C_TYPE = {"x": "const struct xreg", "v": "const struct vreg_ref", "const": "const unsigned",
          "pack": "const unsigned", "imm": "const int64_t", "const64": "const uint64_t",
          "target": "const unsigned"}


def params_of(gadget):
    """(name, C type, argument expression) in a fixed order."""
    out = []
    for i, o in enumerate(gadget.operands):
        kind = "x" if o.is_x else "v"
        out.append((o.name, C_TYPE[kind], f"{kind.upper()}REF({i})"))
    for name, value in gadget.consts:
        out.append((name, C_TYPE["const"], str(value)))
    if gadget.imm:
        kind, value = gadget.imm
        if kind == "pack":
            shift = 0
            for name, _, bits in value:
                out.append((name, C_TYPE["pack"], f"PACKED({shift}, {hex((1 << bits) - 1)}u)"))
                shift += bits
        elif kind == "imm":
            out.append(("imm", C_TYPE["imm"], "IMM32"))
        elif kind == "const":
            inline = "IMM56" if len(gadget.operands) <= 1 else "IMM32"
            arg = "IMM_POOL" if gadget.form == "pool" else f"(uint64_t){inline}"
            out.append(("imm", C_TYPE["const64"], arg))
        elif kind == "target":
            out.append(("poll", C_TYPE["target"], "1" if gadget.form == "back" else "0"))
    return sorted(out)


def emit_params(gadgets):
    out = ["// Generated from a64.tbl: parameters of each OP() body.", "#ifndef EMU_A64_PARAMS_H",
           "#define EMU_A64_PARAMS_H", ""]
    done = set()
    for g in gadgets.list:
        if g.body in done:
            continue
        done.add(g.body)
        text = ", ".join(f"{t} {n}" for n, t, _ in params_of(g))
        out.append(f"#define OP_PARAMS_{g.body} struct env *e{', ' if text else ''}{text}")
    return "\n".join(out + ["", "#endif", ""])


def call_of(g):
    args = ", ".join(["&e"] + [a for _, _, a in params_of(g)])
    return f"op_{g.body}({args});"


def has_x(g):
    return any(o.is_x for o in g.operands)


def emit_wrappers(source, gadgets):
    """The translation unit of one emu/ops file: its bodies, then its gadgets."""
    out = [f"// Generated from a64.tbl: the gadgets of {source}.", f'#include "{source}"',
           '#include "emu/gadget.h"', ""]
    for g in gadgets:
        out.append(f"GADGET({g.name}) {{ ENTER; {call_of(g)} LEAVE; }}")
        if has_x(g):
            out.append(f"GADGET_SPILL({g.name}) {{ ENTER_SPILL; {call_of(g)} LEAVE_SPILL; }}")
    return "\n".join(out + [""])


def emit_goto(gadgets, inline_bodies):
    """Labels of the computed-goto loop: bodies of hot files inline, the others called."""
    table, labels = [], []
    for g in gadgets:
        table.append(f"&&L_{g.name},")
        text = call_of(g) if g.body in inline_bodies else f"CALL_OUT({g.name});"
        labels.append(f"L_{g.name}: {{ BEGIN; {text} END; }}")
    return ("// Generated from a64.tbl: addresses of the labels, in gadget order.\n"
            + "\n".join(table) + "\n"), ("// Generated from a64.tbl: the labels.\n"
                                         + "\n".join(labels) + "\n")


def emit_decls(gadgets):
    out = ["// Generated from a64.tbl: every gadget."]
    for g in gadgets:
        out.append(f"DECLARE_GADGET({g.name})")
        if has_x(g):
            out.append(f"DECLARE_SPILL({g.name})")
    return "\n".join(out + [""])


LAYOUT = {None: "A64_NO_IMM", "imm": "A64_IMM32", "pack": "A64_IMM32", "target": "A64_TARGET"}


def emit_table(gadgets):
    out = ["// Generated from a64.tbl: what the translator knows about each gadget.",
           '#include "emu/a64.h"', '#include "emu/dispatch.h"', '#include "a64_gadget_decls.h"',
           "", "const struct a64_gadget_info a64_gadget_info[] = {"]
    for g in gadgets.list:
        kind = g.imm[0] if g.imm else None
        layout = LAYOUT.get(kind)
        if kind == "const":
            layout = "A64_CONST56" if len(g.operands) <= 1 else "A64_CONST32"
        xmask = sum(1 << i for i, o in enumerate(g.operands) if o.is_x)
        bits = " | ".join(f"A64_IS_{f.upper()}" for f in sorted(g.facts)
                          if f in ("ends", "cond", "stop")) or "0"
        out.append(f"    {{{layout}, {len(g.operands)}, {xmask:#x}, {bits}}}, // {g.name}")
    out += ["};", "", "TABLE_BEGIN"]
    for g in gadgets.list:
        spill = f"SPILL_REF({g.name})" if has_x(g) else f"GADGET_REF({g.name})"
        out.append(f"    TABLE_ENTRY(GADGET_REF({g.name}), {spill})")
    out += ["TABLE_END", ""]
    return "\n".join(out)
