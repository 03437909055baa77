#!/usr/bin/env python3
"""Shows that the tests of instructions notice wrong ones: breaks one line of an op body, of what bodies
are made of, of a table row or of a variant at a time (mutate.py), and expects a test to fail.

mutants.py [--count N] [--seed N] [--work DIR] [--slice N] [--again] [--index N] [--long]

Every mutant is linked over one build of the sources as they are: only the gadgets that the broken line
can concern are compiled anew. A mutant whose object code is the same is no mutant, and is not counted;
nor is one that does not compile. The differential is aimed at the rows concerned first; what survives
that meets the unit tests, llvm-mc, longer runs, and with --long those of `make test-isa`. What failed
must pass without the mutant.

DIR/ledger-SEED keeps the verdicts, and a later call goes on behind them; --slice ends a call after N
mutants, --again judges the survivors again first, --index judges one alone. known/mutants.txt has what
people found out about survivors: some do the same for every input, which object code does not show;
they are not counted either. Exit status 0: at least 97 % were killed, and no survivor is unexplained.
"""

import argparse
import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests/isa"), os.path.join(ROOT, "emu")]

import mutate  # noqa: E402
from gen import operands, table, variants  # noqa: E402

KNOWN = os.path.join(ROOT, "tests/isa/known/mutants.txt")
UNITS = ("unit/test_cpu_insn", "unit/test_cpu_trap", "unit/test_cpu_code", "unit/test_cpu_features",
         "unit/test_decode", "isa/sp_alignment")
PROGRAMS = ("isa/differential", "isa/differential_baseline", "isa/encodings") + UNITS
PINS = {"preserve_none": "0,1,2,3,19,31", "musttail": "0,1", "goto": "none"}
WRAPPER = re.compile(r"\bop_(\w+)\(&e")


class Refused(Exception):
    """The mutant does not compile."""


def limit_cpu(seconds):
    return lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def run(command, cwd=None, cpu=600):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False,
                          preexec_fn=limit_cpu(cpu))


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def same_bytes(a, b):
    with open(a, "rb") as f, open(b, "rb") as g:
        return f.read() == g.read()


class Tree:
    """A copy of the sources, built once; objects of mutants are linked before its own."""

    def __init__(self, work):
        self.work = work
        self.tree, self.build = os.path.join(work, "tree"), os.path.join(work, "build")
        self.over, self.bin = os.path.join(work, "over"), os.path.join(work, "bin")
        os.makedirs(self.bin, exist_ok=True)
        if not os.path.exists(self.build):
            self.prepare()
        self.units = {}  # object file: (arguments without output and source, source)
        for c in json.loads(read(os.path.join(self.build, "compile_commands.json"))):
            self.add_unit(c)
        self.deps = self.read_deps()
        self.links = {p: self.link_of(p) for p in PROGRAMS}
        info = json.loads(run(["meson", "introspect", self.build, "--buildoptions"]).stdout)
        dispatch = [o["value"] for o in info if o["name"] == "dispatch"][0]
        self.dispatch = "preserve_none" if dispatch == "auto" else dispatch
        self.read_tables()
        self.base_objects = {}  # of filtered units, by object and bodies

    def prepare(self):
        shutil.copytree(ROOT, self.tree, ignore=shutil.ignore_patterns("build*", "roots", ".git"))
        if "CC" not in os.environ and shutil.which("clang-19"):
            os.environ["CC"] = "clang-19"  # as the Makefile chooses
        made = run(["meson", "setup", self.build, "--buildtype=release"], cwd=self.tree)
        targets = ["tests/isa/executor"] + ["tests/" + p for p in PROGRAMS]
        if made.returncode or run(["ninja", "-j2", "-C", self.build, *targets], cpu=3600).returncode:
            sys.exit("mutants: the sources as they are do not build")

    def add_unit(self, command):
        args = [a for a in shlex.split(command["command"]) if a != "ccache" and not a.startswith("-W")]
        for flag in ("-o", "-MF", "-MQ", "-c"):
            if flag in args:
                at = args.index(flag)
                del args[at:at + 2]
        args = [a for a in args if a != "-MD"] + ["-w"]
        # How fast the tests themselves are does not matter in mutants.
        if not command["output"].startswith("emu/"):
            args.append("-O0")
        self.units[command["output"]] = (args, command["file"])

    def read_deps(self):
        deps, obj = {}, None
        for line in run(["ninja", "-C", self.build, "-t", "deps"]).stdout.split("\n"):
            if line and not line[0].isspace():
                obj = line.split(":")[0]
                deps[obj] = set()
            elif line.strip() and obj:
                path = os.path.normpath(os.path.join(self.build, line.strip()))
                deps[obj].add(os.path.relpath(path, self.tree) if path.startswith(self.tree + "/")
                              else os.path.relpath(path, self.build))
        return deps

    def link_of(self, program):
        out = run(["ninja", "-C", self.build, "-t", "commands", "-s", "tests/" + program]).stdout
        args = shlex.split(out.strip().split("\n")[-1])
        args = [a for a in args if a != "ccache"]
        at = args.index("-o")
        return args[:at], args[at + 2:]

    def read_tables(self):
        self.table = table.Table(os.path.join(self.tree, "emu/a64.tbl"))
        ops = os.path.join(self.tree, "emu/ops")
        self.bodies = {}
        for name in sorted(os.listdir(ops)):
            for body in re.findall(r"^OP\((\w+)\)", read(os.path.join(ops, name)), re.M):
                self.bodies[body] = f"emu/ops/{name}"
        made = operands.Gadgets(self.table, self.bodies)
        pins = [int(p) for p in PINS[self.dispatch].split(",")]
        found = variants.Variants(os.path.join(self.tree, "emu/variants.tbl"), made, pins, self.bodies)
        self.variants = [{g.body for g, _ in seq} for seq in found.sequences]
        self.variant_lines = []
        for i in range(len(self.variants)):
            if i < variants.FILES:
                text = read(os.path.join(self.build, f"emu/a64_variants_{i}.c"))
                self.variant_lines.append([line for line in text.split("\n") if line.startswith("VARIANT(")])
        lines = [self.variant_lines[i % variants.FILES][i // variants.FILES]
                 for i in range(len(self.variants))]
        self.variant_lines = lines

    def rows_of_bodies(self, bodies):
        rows = [row for row in self.table.rows if any(ex.body in bodies for ex in row.execs())]
        # A store-exclusive alone always fails.
        if any("excl" in row.facts for row in rows):
            rows += [row for row in self.table.rows if "excl" in row.facts and row not in rows]
        return [row.name for row in rows]

    def macros(self):
        args = self.units[next(u for u in self.units if u.endswith("gadgets_alu.c.o"))][0]
        out = run(args + ["-dM", "-E", "-x", "c", "/dev/null"], cwd=self.build).stdout
        return set(re.findall(r"#define (\w+)", out))

    # --- Compiling and linking -------------------------------------------------------------------
    def compile(self, obj, source, includes, out):
        args = self.units[obj][0]
        result = run(args[:1] + ["-I" + i for i in includes] + args[1:] + ["-c", source, "-o", out],
                     cwd=self.build)
        if result.returncode:
            raise Refused(result.stderr)

    def link(self, program, objects):
        first, rest = self.links[program]
        out = os.path.join(self.bin, os.path.basename(program))
        result = run(first + ["-fuse-ld=lld", "-Wl,--allow-multiple-definition", "-o", out] + objects
                     + rest, cwd=self.build)
        if result.returncode:
            raise Refused(result.stderr)
        return out

    def base(self, program):
        return os.path.join(self.build, "tests", program)


def is_gadgets(obj):
    return "/gadgets_" in obj or "_gadgets_" in obj


def is_variants(obj):
    return re.search(r"a64_variants_\d", obj) is not None


def of_engine(obj):
    return obj.startswith("emu/")


class Mutant:
    """One broken line: the objects that differ, and what to aim at."""

    def __init__(self, tree, path, number, line, broken):
        self.tree, self.path, self.number, self.line, self.broken = tree, path, number, line, broken
        self.objects, self.baseline_objects = [], []
        self.rows, self.variant = [], None
        self.base_objects = []  # what the sources as they are need instead (tables without variants)
        shutil.rmtree(tree.over, ignore_errors=True)
        os.makedirs(tree.over)

    def name(self):
        where = f"variant:{self.path}" if isinstance(self.path, int) else self.path
        return f"{where}:{self.number + 1}: {self.line.strip()}  ->  {self.broken.strip()}"

    def keep(self, obj, out):
        if "libemu_baseline" in obj:
            self.baseline_objects.append(out)
        else:
            self.objects.append(out)

    def out_path(self, obj, kind):
        return os.path.join(self.tree.work, kind, obj.replace("/", "_"))

    # A unit of wrappers with those alone whose lines are `wanted`.
    def filtered(self, obj, source, includes, wanted, kind):
        text = [line for line in read(source).split("\n")
                if not line.startswith("GADGET") or wanted(line)]
        name = os.path.join(self.tree.work, kind + "-src", os.path.basename(source))
        write(name, "\n".join(text))
        out = self.out_path(obj, kind)
        os.makedirs(os.path.dirname(out), exist_ok=True)
        self.tree.compile(obj, name, includes, out)
        return out

    def whole(self, obj, source, includes, kind):
        out = self.out_path(obj, kind)
        os.makedirs(os.path.dirname(out), exist_ok=True)
        self.tree.compile(obj, source, includes, out)
        return out


class VariantMutant(Mutant):
    def build(self):
        t, n = self.tree, self.path
        self.variant = n
        self.rows = t.rows_of_bodies(t.variants[n])
        source = os.path.join(t.build, f"emu/a64_variants_{n % variants.FILES}.c")
        obj = next(o for o in t.units if o.endswith(f"a64_variants_{n % variants.FILES}.c.o"))
        head = [line for line in read(source).split("\n") if line.startswith("#include")]
        outs = []
        for kind, line in (("plain", self.line), ("mutant", self.broken)):
            name = os.path.join(t.work, kind + "-src", "variant.c")
            write(name, "\n".join(head + [line, ""]))
            outs.append(self.whole(obj, name, [], kind))
        if same_bytes(*outs):
            return False
        self.objects.append(outs[1])
        return True


class SourceMutant(Mutant):
    def build(self):
        t = self.tree
        write(os.path.join(t.over, self.path), "".join(self.lines_with_it()))
        chunks = Mutant.chunks
        name = chunks.name_at(self.path, self.number)
        bodies = chunks.bodies_using([name]) if name else set()
        users = [o for o in t.units if of_engine(o) and not is_variants(o) and self.path in t.deps.get(o, ())]
        if not any(self.change(o, bodies) for o in users):
            # The words of the line's users may hide in a macro: the whole units say for sure.
            bodies = set(t.bodies)
            self.objects, self.baseline_objects = [], []
            if not any([self.change(o, None) for o in users]):
                return False
        else:
            self.objects, self.baseline_objects = [], []
            for o in users:
                self.change(o, bodies)
        expressions = [row.name for row in t.table.rows if name and self.in_table(row, name)]
        self.rows = sorted(set(t.rows_of_bodies(bodies)) | set(expressions))
        return True

    def lines_with_it(self):
        lines = mutate.read_lines(self.tree.tree, self.path)
        return lines[:self.number] + [self.broken] + lines[self.number + 1:]

    def in_table(self, row, name):
        texts = [row.valid or ""]
        for ex in row.execs():
            texts += [ex.cond or "", str(ex.imm or ""), str(ex.expand), str([o.expr for o in ex.operands])]
        return any(re.search(rf"\b{name}\b", text) for text in texts)

    def change(self, obj, bodies):
        """Compiles the unit with the line and without; whether that differs."""
        t = self.tree
        source = os.path.normpath(os.path.join(t.build, t.units[obj][1]))
        key = (obj, tuple(sorted(bodies)) if bodies is not None else None)
        if is_gadgets(obj):
            def wanted(line):
                return bodies is None or WRAPPER.search(line).group(1) in bodies
            if not any(line.startswith("GADGET") and wanted(line) for line in read(source).split("\n")):
                return False
            out = self.filtered(obj, source, [t.over], wanted, "mutant")
            if key not in t.base_objects:
                plain = self.filtered(obj, source, [], wanted, "mutant-plain")
                kept = os.path.join(t.work, "kept", f"{len(t.base_objects)}.o")
                os.makedirs(os.path.dirname(kept), exist_ok=True)
                t.base_objects[key] = shutil.copyfile(plain, kept)
        else:
            over = os.path.join(t.over, os.path.relpath(source, t.tree))
            out = self.whole(obj, over if os.path.exists(over) else source, [t.over], "mutant")
            if key not in t.base_objects:
                plain = self.whole(obj, source, [], "mutant-plain")
                kept = os.path.join(t.work, "kept", f"{len(t.base_objects)}.o")
                os.makedirs(os.path.dirname(kept), exist_ok=True)
                t.base_objects[key] = shutil.copyfile(plain, kept)
        if same_bytes(out, t.base_objects[key]):
            return False
        self.keep(obj, out)
        return True


class TableMutant(Mutant):
    """The generator runs again, without variants: sequences are other tests' business."""

    def build(self):
        t = self.tree
        plain = os.path.join(t.work, "tables")
        if not os.path.exists(plain):
            self.generate(plain, t.tree)
        for name in os.listdir(os.path.join(t.tree, "emu/a64")):
            self.link_file(f"emu/a64/{name}")
        for name in ("a64.tbl", "a64_gen.py", "gen", "ops"):
            self.link_file(f"emu/{name}")
        os.remove(os.path.join(t.over, self.path))
        lines = mutate.read_lines(t.tree, self.path)
        write(os.path.join(t.over, self.path),
              "".join(lines[:self.number] + [self.broken] + lines[self.number + 1:]))
        made = os.path.join(t.work, "tables-mutant")
        shutil.rmtree(made, ignore_errors=True)
        self.generate(made, t.over)
        self.made = made
        changed = [n for n in sorted(os.listdir(os.path.join(made, "emu")))
                   if n not in ("a64_disas.c",) and not same_bytes(os.path.join(made, "emu", n), os.path.join(plain, "emu", n))]
        first = max(i for i, line in enumerate(lines[:self.number + 1]) if line[0] not in " #\n")
        self.rows = [lines[first].split()[0]]
        if not changed:
            return False
        return self.compile_changed(made, plain, changed)

    def generate(self, out, root):
        os.makedirs(os.path.join(out, "emu"))
        empty = os.path.join(root, "emu/variants.tbl")
        t = self.tree
        if root == t.tree:
            # The same without variants.
            root = os.path.join(t.work, "plain-root")
            os.makedirs(os.path.join(root, "emu"))
            for name in ("a64.tbl", "a64_gen.py", "gen", "ops", "a64"):
                os.symlink(os.path.join(t.tree, "emu", name), os.path.join(root, "emu", name))
            empty = os.path.join(root, "emu/variants.tbl")
        write(empty, "")
        ops = [os.path.join(root, "emu/ops", n) for n in sorted(os.listdir(os.path.join(t.tree, "emu/ops")))]
        made = run([sys.executable, "-B", os.path.join(t.tree, "emu/a64_gen.py"), "build",
                    os.path.join(root, "emu/a64.tbl"), os.path.join(out, "emu"), t.dispatch,
                    PINS[t.dispatch], *ops])
        if made.returncode:
            raise Refused(made.stderr)

    def link_file(self, path):
        to = os.path.join(self.tree.over, path)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        os.symlink(os.path.join(self.tree.tree, path), to)

    def compile_changed(self, made, plain, changed):
        t = self.tree
        rows_moved = "a64_rows.h" in changed
        without = ("a64_variant_tables.c", "a64_variant_items.c", "a64_gadget_table.c")
        differ = False
        for obj in t.units:
            name = os.path.basename(t.units[obj][1])
            if is_variants(obj) or not (of_engine(obj) or obj.startswith("tests/isa/") or any(
                    obj.startswith(f"tests/{u}.p") for u in UNITS)):
                continue
            if is_gadgets(obj):
                if name in changed:
                    differ |= self.changed_wrappers(obj, made, plain, name)
                continue
            source = os.path.join(made, "emu", name)
            generated = os.path.exists(source)
            moved = rows_moved and self.counts_gadgets(obj)
            if not (name in changed or moved or (generated and name in without)):
                continue
            source = source if generated else os.path.normpath(os.path.join(t.build, t.units[obj][1]))
            out = self.whole(obj, source, [made], "mutant")
            if of_engine(obj):
                self.keep(obj, out)
                differ |= not same_bytes(out, self.plain_object(obj, plain, name, source, generated))
            else:
                self.of_program.setdefault(obj.split(".p/")[0], []).append(out)
        return differ

    def plain_object(self, obj, plain, name, source, generated):
        kept = os.path.join(self.tree.work, "kept-tables", obj.replace("/", "_"))
        if not os.path.exists(kept):
            os.makedirs(os.path.dirname(kept), exist_ok=True)
            source = os.path.join(plain, "emu", name) if generated else source
            self.tree.compile(obj, source, [plain], kept)
        return kept

    def counts_gadgets(self, obj):
        """Whether the unit knows the numbers of gadgets, which have moved."""
        t, deps = self.tree, self.tree.deps.get(obj, ())
        source = os.path.join(t.build, t.units[obj][1])
        return "emu/a64_rows.h" in deps and ("tests/isa/coverage.h" in deps
                                             or "GADGET_" in read(source))

    of_program = {}

    def same_table(self, judge):
        """Whether every word with the row's fixed bits means what it meant (encodings.c), and no
        gadget that both have differs."""
        t, old, new = self.tree, {}, {}
        for root, into in (("tables", old), ("tables-mutant", new)):
            folder = os.path.join(t.work, root, "emu")
            for name in os.listdir(folder):
                if name.startswith("gadgets_"):
                    lines = re.findall(r"^(GADGET\w*\(\w+\)) (.*)", read(os.path.join(folder, name)), re.M)
                    into.update(lines)
        if any(new[k] != old[k] for k in old if k in new):
            return False
        hashes = [run([program, self.rows[0]], cpu=60) for program in
                  (judge.linked(self, "isa/encodings"), t.base("isa/encodings"))]
        return not hashes[0].returncode and hashes[0].stdout == hashes[1].stdout

    def changed_wrappers(self, obj, made, plain, name):
        old = set(read(os.path.join(plain, "emu", name)).split("\n"))
        source = os.path.join(made, "emu", name)
        if all(line in old for line in read(source).split("\n")):
            return False
        self.keep(obj, self.filtered(obj, source, [made], lambda line: line not in old, "mutant"))
        return True


# --- Judging -------------------------------------------------------------------------------------

def wrong(program, args, cpu):
    """What the differential says is wrong, as a set: `1`: ours and the oracle's differ, `3` to `5`:
    something can no longer be reached, `end`: it cannot go on; None: it has no such rows. That a short
    run does not see every mode of FPCR and every pair of equal registers is nothing."""
    out = run([program, *args], cpu=cpu)
    if "no such row" in out.stderr:
        return None
    found = set(re.findall(r"^not ok ([1345]) ", out.stdout, re.M))
    if out.returncode not in (0, 1) or not re.search(r"^(not )?ok 1 ", out.stdout, re.M):
        found.add("end")
    return found


class Judge:
    def __init__(self, tree):
        self.tree, self.without, self.long = tree, {}, False
        executor = os.path.join(tree.build, "tests/isa/executor")
        self.now = ["qemu-aarch64-static", "-cpu", "neoverse-n1", executor]
        self.later = ["qemu-aarch64-static", "-cpu", "max,pauth=off,sve=off", executor]

    def objects(self, m, program):
        own = []
        if isinstance(m, TableMutant):
            own += m.of_program.get("tests/" + program, [])
            if "tests/isa/libisa.a" in self.tree.links[program][1]:
                own += m.of_program.get("tests/isa/libisa.a", [])
        return own + (m.baseline_objects if "baseline" in program else []) + m.objects

    def differs(self, m, program, args, later, cpu):
        args = args + (["--later", *self.later] if later else self.now)
        found = wrong(self.linked(m, program), args, cpu)
        if not found:
            return False
        # Only what passes without the mutant proves anything.
        key = (program, *args)
        if key not in self.without:
            self.without[key] = wrong(self.tree.base(program), args, cpu)
        return bool(found - self.without[key])

    def linked(self, m, program):
        if program not in self.made:
            self.made[program] = self.tree.link(program, self.objects(m, program))
        return self.made[program]

    def aimed(self, m, program, later, seed="1", count=3000, times=64):
        args = ["--seed", seed, "--count", str(count), "--coverage", str(times)]
        if m.variant is not None:
            args += ["--variants", str(m.variant)]
        if m.rows and len(m.rows) < 300:
            args += ["--only", ",".join(m.rows)]
        return self.differs(m, program, args, later, 20)

    def modes(self, m, program, later, count=20000):
        args = ["--modes", "--count", str(count)]
        if m.rows and len(m.rows) < 300:
            args += ["--only", ",".join(m.rows)]
        return self.differs(m, program, args, later, 30)

    def stages(self, m):
        """(name, whether it fails), the cheap and likely first."""
        main, base = "isa/differential", "isa/differential_baseline"
        for program, what in ((main, "aimed"), (base, "baseline")):
            for later in (False, True):
                yield what, lambda p=program, n=later: self.aimed(m, p, n)
            for later in (False, True):
                yield what + "-modes", lambda p=program, n=later: self.modes(m, p, n)
            if program == main:
                yield "known", lambda: run([self.linked(m, main), "--replay", os.path.join(
                    ROOT, "tests/isa/known")], cpu=20).returncode
                for unit in UNITS:
                    yield unit, lambda u=unit: run([self.linked(m, u)], cpu=20).returncode
                if isinstance(m, TableMutant) or m.path == "emu/a64_imm.h":
                    yield "encodings", lambda: run(
                        [sys.executable, os.path.join(ROOT, "tests/isa/encodings.py"),
                         self.linked(m, "isa/encodings"), "llvm-mc-19"], cpu=60).returncode
        for later in (False, True):
            yield "more", lambda n=later: self.aimed(m, main, n, "2", 100000, 512)
        for later in (False, True):
            yield "more-modes", lambda n=later: self.modes(m, main, n, 100000)

    def long_stages(self, m):
        """The rest of `make test-isa`, for what nothing else noticed."""
        main = "isa/differential"
        yield "long", lambda: self.differs(m, main, ["--count", "2000000", "--coverage", "64"], False, 200)
        yield "long", lambda: self.differs(m, main, ["--count", "800000", "--coverage", "64"], True, 100)
        yield "long", lambda: self.differs(m, main, ["--count", "1000000", "--modes"], False, 100)
        yield "long", lambda: self.differs(m, main, ["--count", "100000", "--seed", "7", "--step"], False, 100)
        if m.rows == []:
            return
        yield "sweep", lambda: run([self.linked(m, "unit/test_decode"), "all"], cpu=300).returncode \
            if isinstance(m, TableMutant) else 0

    def verdict(self, m, known):
        """What killed it, or None."""
        self.made = {}
        try:
            for what, fails in self.stages(m):
                if fails():
                    return what
            if not known:
                for what, fails in self.long_stages(m):
                    if fails():
                        return what
        except Refused as error:
            sys.exit(f"mutants: {m.name()} does not link: {error}")
        return None


def known_survivors():
    """Why: of those that no test can see, by file, line and broken line."""
    known, entry = {}, []
    for line in read(KNOWN).split("\n") if os.path.exists(KNOWN) else []:
        if line.startswith("#") or not line.strip():
            continue
        entry.append(line.strip())
        if len(entry) == 4:
            known[tuple(e.lstrip("-+ ") for e in entry[:3])] = entry[3]
            entry = []
    return known


def cpu_seconds():
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def judge_one(tree, judge, picker, known, index):
    path, number, line, broken = picker.pick(index)
    kind = (VariantMutant if isinstance(path, int) else
            TableMutant if path.endswith(".tbl") else SourceMutant)
    m = kind(tree, path, number, line, broken)
    TableMutant.of_program = {}
    why = known.get((str(path), line.strip().lstrip("-+ "), broken.strip().lstrip("-+ ")))
    try:
        if not m.build():
            return "same", "", m
    except Refused:
        return "refused", "", m
    by = judge.verdict(m, why is not None or not judge.long)
    if not by and isinstance(m, TableMutant) and m.same_table(judge):
        return "same", "table", m
    if by or not why:
        return ("killed", by, m) if by else ("SURVIVED", "", m)
    what, _, why = why.partition(": ")
    return {"same": "reviewed", "missed": "explained"}[what], why, m


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slice", type=int, default=1 << 30)
    parser.add_argument("--index", type=int)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--work")
    args = parser.parse_args()
    work = args.work or tempfile.mkdtemp(prefix="ish-mutants-")
    tree = Tree(work)
    judge, known = Judge(tree), known_survivors()
    judge.long = args.long
    picker = mutate.Picker(tree.tree, args.seed, tree.macros(), tree.variant_lines)
    Mutant.chunks = mutate.Chunks(tree.tree)
    ledger = os.path.join(work, f"ledger-{args.seed}")
    lines = read(ledger).split("\n")[:-1] if os.path.exists(ledger) else []

    def judge_line(index):
        began = cpu_seconds()
        verdict, by, m = judge_one(tree, judge, picker, known, index)
        line = f"{index} {verdict} {cpu_seconds() - began:.1f} {by} | {m.name()}"
        print(line, flush=True)
        return line
    if args.index is not None:
        judge_line(args.index)
        return 0
    for i, line in enumerate(lines):
        if args.again and line.split()[1] in ("SURVIVED", "explained", "reviewed"):
            lines[i] = judge_line(i)
    write(ledger, "".join(line + "\n" for line in lines))
    count = {}
    for line in lines:
        count[line.split()[1]] = count.get(line.split()[1], 0) + 1

    def judged():
        return sum(count.get(v, 0) for v in ("killed", "explained", "SURVIVED"))
    print(f"# seed {args.seed}, {len(lines)} in {ledger}", flush=True)
    until = min(args.count, judged() + args.slice)
    for index in range(len(lines), 1 << 30):
        if judged() >= until:
            break
        line = judge_line(index)
        count[line.split()[1]] = count.get(line.split()[1], 0) + 1
        with open(ledger, "a", encoding="utf-8") as f:
            f.write(line + "\n")
    total, killed = judged(), count.get("killed", 0)
    print(f"# {count.get('same', 0)} with the same object code or table and {count.get('refused', 0)} that do "
          f"not compile are not counted, nor {count.get('reviewed', 0)} that people found to do the same")
    good = killed * 100 >= 97 * total and not count.get("SURVIVED")
    print(f"{'ok' if good else 'not ok'} 1 - {killed} of {total} mutants were killed\n1..1")
    if not args.work:
        shutil.rmtree(work)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
