#!/usr/bin/env python3
"""Shows that the differential notices wrong instructions: breaks one line of an op body or of a table
row at a time, builds the engine, and expects the differential to fail.

mutants.py [--count N] [--seed N] [--work DIR] [--instructions N]      DIR is kept, and reused

Works in a copy of the sources, with one variant in twelve (they are the same bodies again), so that a
mutant is one small file to compile. One mutant in six is of a variant: an instruction that does not
stop the sequence, that is left out, or that takes another register; a stop at the wrong record. One
that survives is printed with what it changed. Exit status 0: at least 97 % were noticed. Those that
do not compile are not counted.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
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
# What the oracle cannot judge.
UNITS = ("isa/sp_alignment", "unit/test_cpu_insn", "unit/test_cpu_trap", "unit/test_cpu_code",
         "unit/test_cpu_features")
TABLE_KEYS = ("write", "read", "update", "expand", "imm", "const", "pack", "target", "form", "valid")


def sources(root):
    """Files and the lines of them that may be broken."""
    out = []
    for folder, suffix in (("emu/ops", ".c"), ("emu/a64", ".tbl")):
        for name in sorted(os.listdir(os.path.join(root, folder))):
            if name.endswith(suffix) and name not in ("engine.c",):
                out.append(os.path.join(folder, name))
    for name in ("core.c", "a64_imm.h", "fp_arith.c", "fp_compare.c", "fp_convert.c", "fp_core.c",
                 "fp_estimate.c", "fp_fast.h", "simd.h"):
        out.append(os.path.join("emu", name))
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
    found = [m for m in PATTERN.finditer(code)]
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


def pick(root, paths, rng):
    while True:
        path = rng.choice(paths)
        with open(os.path.join(root, path), encoding="utf-8") as f:
            lines = f.readlines()
        number = rng.randrange(len(lines))
        if not may_break(path, lines[number]):
            continue
        broken = break_line(lines[number], rng)
        if broken is not None:
            return path, lines, number, broken


def break_variant(line, rng):
    """The same of a generated VARIANT(n) { ENTER; op(...); THEN op(...); LEAVE_THEN; }."""
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


def pick_variant(build, rng):
    compile_tree(build)  # generates them anew after a table was broken and put back
    path = os.path.join(build, "emu", f"a64_variants_{rng.randrange(8)}.c")
    with open(path, encoding="utf-8") as f:
        lines = f.readlines()
    number = rng.choice([i for i, line in enumerate(lines) if line.startswith("VARIANT(")])
    return path, lines, number, break_variant(lines[number], rng)


def quiet(*command, cwd=None, limit=900):
    try:
        return subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=limit).returncode
    except subprocess.TimeoutExpired:
        return -1


def prepare(work):
    tree, build = os.path.join(work, "tree"), os.path.join(work, "build")
    if os.path.exists(build):
        return tree, build
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("build*", "roots", ".git", "*.case"))
    path = os.path.join(tree, "emu", "variants.tbl")
    with open(path, encoding="ascii") as f:
        lines = f.readlines()
    with open(path, "w", encoding="ascii") as f:
        f.writelines(lines[::12])
    if quiet("meson", "setup", build, "--buildtype=release", cwd=tree) or compile_tree(build):
        sys.exit("mutants: the sources as they are do not build")
    return tree, build


def compile_tree(build):
    return quiet("ninja", "-j2", "-C", build, "tests/isa/executor", *(
        "tests/" + name for name in ("isa/differential", "isa/encodings") + UNITS))


def differs(*command):
    """Whether the program says that ours and the oracle's differ, that something can no longer be
    reached, or cannot go on. That a short run does not see every mode of FPCR and every pair of
    equal registers is no difference."""
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        return True
    return (out.returncode not in (0, 1) or not re.search(r"^ok 1 ", out.stdout, re.M)
            or re.search(r"^not ok [345] ", out.stdout, re.M) is not None)


def judge(build, count):
    """True if some differential finds a difference."""
    program, executor = (os.path.join(build, "tests/isa", n) for n in ("differential", "executor"))
    oracle = ["qemu-aarch64-static", "-cpu", "neoverse-n1", executor]
    later = ["qemu-aarch64-static", "-cpu", "max,pauth=off,sve=off", executor]
    encodings = os.path.join(build, "tests/isa/encodings")
    return (any(quiet(os.path.join(build, "tests", name)) for name in UNITS)
            or quiet(sys.executable, os.path.join(ROOT, "tests/isa/encodings.py"), encodings, "llvm-mc-19")
            or differs(program, "--coverage", "32", "--count", str(count), *oracle)
            or differs(program, "--modes", "--count", str(2 * count), *oracle)
            or differs(program, "--later", "--coverage", "32", "--count", str(count // 2), *later)
            or quiet(program, "--replay", os.path.join(ROOT, "tests/isa/known")))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--instructions", type=int, default=300000)
    parser.add_argument("--work")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    work = args.work or tempfile.mkdtemp(prefix="ish-mutants-")
    tree, build = prepare(work)
    if judge(build, args.instructions):
        sys.exit("mutants: the differential fails on the sources as they are")
    paths = sources(tree)
    killed = survived = 0
    print(f"# seed {args.seed}", flush=True)
    while killed + survived < args.count:
        if rng.randrange(6) == 0:
            target, lines, number, broken = pick_variant(build, rng)
            path = os.path.relpath(target, build)
        else:
            path, lines, number, broken = pick(tree, paths, rng)
            target = os.path.join(tree, path)
        with open(target, "w", encoding="utf-8") as f:
            f.writelines(lines[:number] + [broken] + lines[number + 1:])
        refused = compile_tree(build)
        noticed = refused or judge(build, args.instructions)
        with open(target, "w", encoding="utf-8") as f:
            f.writelines(lines)
        # One that does not compile says nothing about the differential.
        if refused:
            continue
        killed, survived = killed + bool(noticed), survived + (not noticed)
        print(f"{'killed  ' if noticed else 'SURVIVED'} {path}:{number + 1}: {lines[number].strip()}"
              f"  ->  {broken.strip()}", flush=True)
    good = killed * 100 >= 97 * args.count
    print(f"{'ok' if good else 'not ok'} 1 - {killed} of {args.count} mutants were noticed\n1..1")
    if not args.work:
        shutil.rmtree(work)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
