"""Emits the instances of the OP() bodies: parameter lists, wrappers, tables, the goto labels."""

C_TYPE = {"x": "const struct xreg", "v": "const struct vreg_ref", "const": "const unsigned",
          "pack": "const unsigned", "imm": "const int64_t", "const64": "const uint64_t",
          "target": "const unsigned"}


def params_of(gadget):
    """(name, C type, argument expression) in a fixed order."""
    out = []
    for i, o in enumerate(gadget.operands):
        if o.kind == "N":
            out.append((o.name, C_TYPE["const"], f"e.ip->r[{i}]"))
            continue
        kind = "x" if o.is_x else "v"
        out.append((o.name, C_TYPE[kind], f"{kind.upper()}REF({i})"))
    for name, number in gadget.fixed:
        out.append((name, C_TYPE["x"], f"XFIXED({number})"))
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
        elif kind in ("const", "near"):
            inline = "IMM56" if len(gadget.operands) <= 1 else "IMM32"
            arg = "IMM_POOL" if gadget.form == "pool" else f"(uint64_t){inline}"
            out.append(("imm", C_TYPE["const64"], arg))
        elif kind == "target":
            out.append(("poll", C_TYPE["target"], "1" if gadget.form == "back" else "0"))
            out.append(("direct", C_TYPE["target"], "0" if gadget.operands else "1"))
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


def sp_check(g, pins):
    """What follows the body of a gadget that may write SP by index."""
    if 31 in pins or not any(o.kind.endswith("S") and "w" in o.access for o in g.operands):
        return ""
    return " CHECK_SP(e.cpu->x[CPU_SP]);"


def writes_x(g):
    return any(o.is_x and "w" in o.access for o in g.operands)


def emit_wrappers(source, gadgets, pins):
    """The translation unit of one emu/ops file: its bodies, then its gadgets."""
    out = [f"// Generated from a64.tbl: the gadgets of {source}.", f'#include "{source}"',
           '#include "emu/gadget.h"', ""]
    for g in gadgets:
        # Where SP is pinned, only the reloading gadget can meet it.
        out.append(f"GADGET({g.name}) {{ ENTER; {call_of(g)}{sp_check(g, pins)} LEAVE; }}")
        if writes_x(g) and pins:
            out.append(f"GADGET_RELOAD({g.name}) {{ ENTER; {call_of(g)}{sp_check(g, [])}"
                       " LEAVE_RELOAD; }")
    return "\n".join(out + [""])


def emit_goto(gadgets, inline_bodies):
    """Labels of the computed-goto loop: bodies of hot files inline, the others called."""
    table, labels = [], []
    for g in gadgets:
        table.append(f"LABEL({g.name})")
        if g.body in inline_bodies:
            text = f"{{ BEGIN; {call_of(g)}{sp_check(g, [])} END; }}"
        else:
            text = f"CALL_OUT({g.name});"
        labels.append(f"L_{g.name}: {text}")
    return ("// Generated from a64.tbl: addresses of the labels, in gadget order.\n"
            + "\n".join(table) + "\n"), ("// Generated from a64.tbl: the labels.\n"
                                         + "\n".join(labels) + "\n")


def emit_decls(gadgets, pinned):
    out = ["// Generated from a64.tbl: every gadget."]
    for g in gadgets:
        out.append(f"DECLARE_GADGET({g.name})")
        if writes_x(g) and pinned:
            out.append(f"DECLARE_RELOAD({g.name})")
    return "\n".join(out + [""])


LAYOUT = {None: "A64_NO_IMM", "imm": "A64_IMM32", "pack": "A64_IMM32", "near": "A64_NEAR56",
          "target": "A64_TARGET"}


def emit_table(gadgets, pinned):
    out = ["// Generated from a64.tbl: what the translator knows about each gadget.",
           '#include "emu/a64.h"', '#include "emu/dispatch.h"', "",
           "const struct a64_gadget_info a64_gadget_info[] = {"]
    for g in gadgets.list:
        kind = g.imm[0] if g.imm else None
        layout = LAYOUT.get(kind)
        if kind == "const":
            layout = "A64_CONST56" if len(g.operands) <= 1 else "A64_CONST32"
        xmask = sum(1 << i for i, o in enumerate(g.operands) if o.is_x)
        wmask = sum(1 << i for i, o in enumerate(g.operands) if o.is_x and "w" in o.access)
        bits = " | ".join(f"A64_IS_{f.upper()}" for f in sorted(g.facts)
                          if f in ("ends", "cond", "stop")) or "0"
        out.append(f"    {{{layout}, {len(g.operands)}, {xmask:#x}, {wmask:#x}, {bits}}}, // {g.name}")
    out += ["};", "", "#if EMU_DISPATCH != DISPATCH_GOTO",
            "#define DECLARE_GADGET(name) gadget_function gadget_##name;",
            "#define DECLARE_RELOAD(name) gadget_function reload_##name;",
            '#include "emu/a64_gadget_decls.h"', "",
            "const struct gadget_entry *dispatch_gadgets(void)", "{",
            "    static const struct gadget_entry gadgets[] = {"]
    for g in gadgets.list:
        again = f"reload_{g.name}" if writes_x(g) and pinned else f"gadget_{g.name}"
        out.append(f"        {{gadget_{g.name}, {again}}},")
    return "\n".join(out + ["    };", "    return gadgets;", "}", "#endif", ""])


def emit_pins(pins):
    """pins: (index, register) list, empty when nothing is pinned."""
    text = " ".join(f"F({i}, {reg})" for i, reg in enumerate(pins))
    return "\n".join([
        "// Generated: guest registers that tail-called gadgets keep in host registers.",
        "#ifndef EMU_PINS_H", "#define EMU_PINS_H", "",
        f"#define PIN_COUNT {len(pins)}", f"#define PINS(F) {text}".rstrip(), "", "#endif", ""])


def emit_names(gadgets):
    """For tools that choose variants or print counts."""
    out = ["// Generated from a64.tbl: names of gadgets.", '#include "emu/a64.h"', "",
           "const char *const a64_gadget_names[] = {"]
    out += [f'    "{g.name}",' for g in gadgets.list]
    out += ["};", "const bool a64_gadget_of_host[] = {"]
    for i in range(0, len(gadgets.list), 32):
        out.append("    " + " ".join(f"{int(g.host)}," for g in gadgets.list[i:i + 32]))
    return "\n".join(out + ["};", ""])
