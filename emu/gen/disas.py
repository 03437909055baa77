"""Emits the disassembler: one case of small printing calls for each row's asm text."""

from gen.decode import fields_c
from gen.table import PRAGMA, TableError, names_in


def split_text(text, where):
    """[("text", s) | ("brace", s)] with balanced braces."""
    out, i = [], 0
    while i < len(text):
        if text[i] != "{":
            j = text.find("{", i)
            j = len(text) if j < 0 else j
            out.append(("text", text[i:j]))
            i = j
            continue
        depth, j = 0, i
        while j < len(text):
            depth += {"{": 1, "}": -1}.get(text[j], 0)
            if depth == 0:
                break
            j += 1
        if depth:
            raise TableError(f"{where}: unbalanced braces in `{text}`")
        out.append(("brace", text[i + 1:j]))
        i = j + 1
    return out


class Printer:
    def __init__(self, row):
        self.row, self.names = row, []
        self.kinds = {o.name: (o.kind, o.expr) for o in row.main.operands}

    def use(self, expr):
        for n in names_in(expr):
            if n in ("pc", "out"):
                continue
            if n not in self.row.fields:
                raise TableError(f"{self.row.where}: no field {n} in asm text")
            if n not in self.names:
                self.names.append(n)
        return expr

    def emit(self, text, indent):
        out = []
        for kind, s in split_text(text, self.row.where):
            if kind == "text":
                quoted = s.replace("\\", "\\\\").replace('"', '\\"')
                out.append(f'{indent}dis_text(out, "{quoted}");')
            else:
                out += self.brace(s, indent)
        return out

    def brace(self, s, indent):
        if s.startswith("?"):
            cond, _, text = s[1:].partition(":")
            return ([f"{indent}if ({self.use(cond)}) {{"] + self.emit(text, indent + "    ")
                    + [indent + "}"])
        if s.startswith("="):
            fn, _, args = s[1:].partition("(")
            self.use(args.rstrip(")") if args.count("(") < args.count(")") else args)
            return [f"{indent}dis_{fn}(out, {args};"]
        if s.startswith("#x"):
            return [f"{indent}dis_hex(out, (uint64_t)({self.use(s[2:])}));"]
        if s.startswith("#"):
            return [f"{indent}dis_dec(out, (int64_t)({self.use(s[1:])}));"]
        if "," in s:
            return self.choice(s, indent)
        if ":" in s:
            name, _, fmt = s.partition(":")
            fmt, _, expr = fmt.partition(" ")
            return [self.reg(name, {"x": "X", "w": "W", "xs": "XS", "ws": "WS", "r": "R",
                                    "rs": "RS"}[fmt], expr, indent)]
        if s in self.kinds:
            kind, expr = self.kinds[s]
            if kind == "V":
                return [f"{indent}dis_dec(out, {self.use(expr)} & 31);"]
            return [self.reg(expr, kind, "sf", indent)]
        return [f"{indent}dis_dec(out, {self.use(s)});"]

    def reg(self, expr, kind, wide, indent):
        if kind[0] == "R":
            width = f"({self.use(wide)}) != 0"
        else:
            width = "true" if kind[0] == "X" else "false"
        sp = "true" if kind.endswith("S") else "false"
        return f"{indent}dis_reg(out, {self.use(expr)}, {width}, {sp});"

    def choice(self, s, indent):
        head, words = s.rsplit(",", 1)
        words = words.split("|")
        fields, index, total = head.split(","), "", 1
        for f in fields:
            if f in self.row.fields:
                width = self.row.fields[f][1]
                self.use(f)
                index = f"({index}) << {width} | {f}" if index else f
                total <<= width
            else:
                index = f"({self.use(f)})"
                total = len(words)
        if len(words) != total:
            raise TableError(f"{self.row.where}: {{{s}}} needs {total} words")
        text = ", ".join(f'"{w}"' for w in words)
        return [f"{indent}{{ static const char *const words[] = {{{text}}}; "
                f"dis_text(out, words[{index}]); }}"]


def emit(table):
    out = ["// Generated from a64.tbl: the disassembler.", PRAGMA, '#include "emu/a64.h"',
           '#include "emu/a64_imm.h"', '#include "emu/disas.h"', "",
           "void a64_disassemble_row(enum a64_row row, uint32_t word, uint64_t pc,",
           "                         struct dis_out *out)", "{", "    switch (row) {"]
    for row in table.rows:
        p = Printer(row)
        lines = p.emit(row.asm, "        ")
        out.append(f"    case {row.c_name}: {{")
        out += fields_c(row, p.names, "        ") + lines + ["        return;", "    }"]
    out += ["    default:", '        dis_text(out, "udf #");', "        dis_dec(out, word);",
            "        return;", "    }", "}", ""]
    return "\n".join(out)
