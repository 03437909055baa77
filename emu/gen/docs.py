"""Writes docs/INSTRUCTIONS.md: every row, its encoding, feature and state."""

import re


def plain(asm):
    asm = re.sub(r"\{\?[^:}]*:((?:[^{}]|\{[^}]*\})*)\}", r"[\1]", asm)
    asm = re.sub(r"\{([^,{}]+(?:,[^,{}|]+)*),([^{}]*)\}", lambda m: "<" + m.group(2) + ">", asm)
    asm = re.sub(r"\{=(\w+)\([^{}]*\)\}", r"<\1>", asm)
    asm = re.sub(r"\{#x?[^{}]*\}", "<imm>", asm)
    return re.sub(r"\{(\w+)[^{}]*\}", r"<\1>", asm)


def emit(table):
    out = ["# A64 instructions", "",
           "Generated from `emu/a64.tbl` by `ninja instruction-docs`; do not edit. "
           f"{len(table.rows)} rows. An encoding that matches no row is UNDEFINED (SIGILL).", ""]
    sections = {}
    for row in table.rows:
        sections.setdefault(row.section, []).append(row)
    for name, rows in sections.items():
        out += [f"## {name}", "", "| row | text | encoding | exists if | unpredictable if | feature |",
                "|---|---|---|---|---|---|"]
        for r in rows:
            cells = [r.name, f"`{plain(r.asm)}`", f"`{r.pattern}`",
                     f"`{r.valid}`" if r.valid else "", f"`{r.unpred}`" if r.unpred else "",
                     r.feat or ""]
            out.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
        out.append("")
    ready = [n for n in table.features if n in table.ready]
    out += ["## Advertised features", "", ", ".join(ready) if ready else "none yet", ""]
    return "\n".join(out)
