"""What tests/isa/mutants.py breaks, how, and which instructions that can concern."""

import os
import random
import re

PATTERN = re.compile(
    r" \+ | - | & | \| | \^ | << | >> | < | > | <= | >= | == | != |&&|\|\||\b[0-9]+\b|~|!"
    r"|\bint(8|16|32|64)_t\b|\buint(8|16|32|64)_t\b|\bSET_[VX]?[DSHBWX]\b|\btrue\b|\bfalse\b|_64\b|_32\b")
SWAPS = {" + ": " - ", " - ": " + ", " & ": " | ", " | ": " & ", " ^ ": " | ", " << ": " >> ",
         " >> ": " << ", " < ": " <= ", " > ": " >= ", " <= ": " < ", " >= ": " > ", " == ": " != ",
         " != ": " == ", "&&": "||", "||": "&&", "~": "", "!": "", "int64_t": "int32_t",
         "int32_t": "int64_t", "int16_t": "int32_t", "int8_t": "int16_t", "uint64_t": "uint32_t",
         "uint32_t": "uint64_t", "uint16_t": "uint32_t", "uint8_t": "uint16_t", "true": "false",
         "false": "true", "SET_VD": "SET_VS", "SET_VS": "SET_VD", "SET_VH": "SET_VS",
         "SET_VB": "SET_VH", "SET_W": "SET_X", "SET_X": "SET_W", "SET_D": "SET_S", "_64": "_32",
         "_32": "_64"}
TABLE_KEYS = ("write", "read", "update", "expand", "imm", "const", "pack", "target", "form", "valid")
# Beside the bodies and the tables: what bodies are made of.
PARTS = ("core.c", "a64_imm.h", "crypto.c", "crypto_host.h", "fp_arith.c", "fp_compare.c", "fp_complex.h",
         "fp_convert.c", "fp_core.c", "fp_estimate.c", "fp_fast.h", "fp_fma.h", "fp_slow.c", "simd.h")
IF = re.compile(r"#\s*(if|ifdef|ifndef|elif|else|endif)\b(.*)")
START = re.compile(r"[A-Za-z_#]")
WORD = re.compile(r"[A-Za-z_]\w*")


def read_lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return f.readlines()


def sources(root):
    out = []
    for folder, suffix in (("emu/ops", ".c"), ("emu/a64", ".tbl")):
        for name in sorted(os.listdir(os.path.join(root, folder))):
            if name.endswith(suffix) and name != "engine.c":
                out.append(f"{folder}/{name}")
    return out + ["emu/" + name for name in PARTS]


def live_lines(lines, macros):
    """For each line, whether a compiler that defines `macros` reads it (conditions it cannot know
    count as true)."""
    out, stack = [], []  # (live before, taken already, live now)
    for line in lines:
        m = IF.match(line)
        if not m:
            out.append(all(now for _, _, now in stack))
            continue
        what, cond = m.group(1), m.group(2).split("//")[0].strip()
        if what == "ifdef":
            cond = f"defined({cond})"
        cond = re.sub(r"defined\s*\(?\s*(\w+)\s*\)?", lambda d: str(d.group(1) in macros), cond)
        cond = cond.replace("!", " not ").replace("&&", " and ").replace("||", " or ")
        try:
            value = bool(eval(cond, {"__builtins__": {}}, {})) if cond else True
        except (SyntaxError, NameError, TypeError):
            value = True
        if what in ("if", "ifdef", "ifndef"):
            stack.append((None, value or what == "ifndef", value or what == "ifndef"))
        elif what in ("elif", "else"):
            _, taken, _ = stack.pop()
            stack.append((None, taken or value, not taken and value))
        else:
            stack.pop()
        out.append(False)
    return out


def may_break(path, line):
    text = line.strip()
    if not text or text.startswith(("//", "#", "*", "_Static_assert", "include")):
        return False
    if path.endswith(".tbl"):
        return line.startswith(" ") and text.split()[0] in TABLE_KEYS
    return line.startswith(" ")


def break_line(line, rng):
    """The line with one thing in it wrong, or None."""
    code = line.split("//")[0]
    found = list(PATTERN.finditer(code))
    if not found:
        return None
    m = rng.choice(found)
    old = m.group()
    if old.isdigit():
        new = str(int(old) + rng.choice((1, -1)) if int(old) else 1)
    else:
        new = SWAPS.get(old)
    if new is None or new == old:
        return None
    return line[:m.start()] + new + line[m.end():]


def break_variant(line, rng):
    """The same of a generated VARIANT(n) { ENTER; op(...); THEN op(...); LEAVE_THEN; }: an
    instruction that does not stop the sequence (so that a fault inside is missed), that is left out,
    or that takes another register; a stop at the wrong record; a misaligned SP that is not seen."""
    pins = list(re.finditer(r"XPIN\((\d)\)", line))
    then = list(re.finditer(r" THEN ", line))
    ops = list(re.finditer(r"op_\w+\(&e[^;]*\);", line))
    checks = list(re.finditer(r" CHECK_SP\([^;]*\);", line))
    kinds = [(then, " e.ip++; "), (then, " if (UNLIKELY(e.status != OP_NEXT)) goto out; "), (ops, ";"),
             (pins, None), (checks, "")]
    found, new = rng.choice([k for k in kinds if k[0]])
    m = rng.choice(found)
    if new is None:
        new = f"XPIN({(int(m.group(1)) + rng.choice((1, 2))) % 6})"
    return line[:m.start()] + new + line[m.end():]


def chunks(lines):
    """(name, first line, one past the last, words) of the functions, macros, OP() bodies and arrays
    of a C file, or the rows of a table."""
    starts = [i for i, line in enumerate(lines) if START.match(line)]
    out = []
    for i, end in zip(starts, starts[1:] + [len(lines)]):
        first = lines[i]
        m = (re.match(r"OP\((\w+)\)", first) or re.match(r"#\s*define\s+(\w+)", first)
             or re.search(r"\b(?!ALIGNED|__attribute__)([a-z]\w+)\s*(?:\(|\[)", first)
             or re.match(r"(\w+)", first))
        if not m:
            continue
        name = "OP " + m.group(1) if first.startswith("OP(") else m.group(1)
        words = set()
        for line in lines[i:end]:
            words.update(WORD.findall(line.split("//")[0]))
        out.append((name, i, end, words))
    return out


class Chunks:
    """Which OP() bodies a line can concern: those whose text leads to it."""

    def __init__(self, root):
        self.of_file, self.users = {}, {}
        for folder in ("emu", "emu/ops"):
            for name in sorted(os.listdir(os.path.join(root, folder))):
                if name.endswith((".c", ".h")):
                    path = f"{folder}/{name}"
                    self.of_file[path] = chunks(read_lines(root, path))
        for path, found in self.of_file.items():
            for name, _, _, words in found:
                for word in words:
                    # Static functions of other files have other names.
                    self.users.setdefault(word, set()).add(name)

    def name_at(self, path, number):
        for name, first, end, _ in self.of_file[path]:
            if first <= number < end:
                return name
        return None

    def bodies_using(self, names):
        todo, seen = list(names), set()
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += self.users.get(name, ())
        return {name[3:] for name in seen if name.startswith("OP ")}


class Picker:
    """Chooses what to break; the choice depends on the seed, the index and the sources alone."""

    def __init__(self, root, seed, macros, variant_lines):
        self.root, self.seed, self.variants = root, seed, variant_lines
        self.lines, self.places = {}, []
        for path in sources(root):
            self.lines[path] = read_lines(root, path)
            live = live_lines(self.lines[path], macros)
            self.places += [(path, n) for n, line in enumerate(self.lines[path])
                            if live[n] and may_break(path, line) and PATTERN.search(line.split("//")[0])]

    def pick(self, index):
        """(path, line number, line, broken line); the path of a variant is its number."""
        rng = random.Random(f"{self.seed}:{index}")
        if rng.randrange(6) == 0:
            number = rng.randrange(len(self.variants))
            return number, 0, self.variants[number], break_variant(self.variants[number], rng)
        while True:
            path, number = rng.choice(self.places)
            line = self.lines[path][number]
            broken = break_line(line, rng)
            if broken is not None:
                return path, number, line, broken
