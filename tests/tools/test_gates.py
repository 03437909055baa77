"""The gate runner: what counts as a pass, and that nothing else does."""
import os
import sys
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "gates"))

import judge  # noqa: E402
import report  # noqa: E402
import run as gate  # noqa: E402
import runners  # noqa: E402
import table  # noqa: E402

HEAD = "[*]\ngate: g\nstage: s\nneeds: tiny\n"


class Here(runners.Runner):
    """Runs rows on this machine, in a folder, with the environment asked for."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder

    def command(self, root, launch):
        return ["/usr/bin/env", "-i", "-C", self.folder] + [
            "%s=%s" % item for item in sorted(launch.environment.items())] + launch.program


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.runner = Here("ish", folder.name)

    def row(self, text):
        return table.parse(HEAD + "[row]\n" + text)[0]

    def result(self, text, compare=None, timeout=20):
        row = self.row(text)
        other = judge.run_row(compare, "", row, timeout) if compare else None
        run = judge.run_row(self.runner, "", row, timeout)
        return judge.judge(row, run, self.runner.name, other, compare and compare.name)


class Judging(Case):
    def test_pass(self):
        """matching output, status and silence on standard error pass"""
        self.assertEqual(self.result("run: echo $((6*7))\nequals: 42\n").state, "pass")
        self.assertEqual(self.result("run: echo a; echo b >&2; exit 3\nexpect: ^a$\nstderr: ^b$\n"
                                     "status: 3\n").state, "pass")

    def test_wrong(self):
        """wrong output, a wrong status, and unexpected words on standard error fail"""
        for text in ("run: echo x\nequals: y\n", "run: echo x; exit 1\nequals: x\n",
                     "run: echo x; echo oops >&2\nequals: x\n", "run: echo xx\nexpect: ^x$\n",
                     "run: echo x; kill -9 $$\nequals: x\n"):
            self.assertEqual(self.result(text).state, "fail", text)

    def test_timeout(self):
        """a row stopped for its time fails, even when its output was right, and nothing hangs on"""
        started = time.monotonic()
        result = self.result("run: echo x; sleep 60 & sleep 60\nequals: x\n", timeout=0.3)
        self.assertEqual(result.state, "fail")
        self.assertIn("stopped", result.reason)
        self.assertLess(time.monotonic() - started, 20)

    def test_background_child(self):
        """a child left running does not keep the row from ending, and is ended"""
        started = time.monotonic()
        self.assertEqual(self.result("run: sleep 60 & echo x\nequals: x\n").state, "pass")
        self.assertLess(time.monotonic() - started, 20)

    def test_noise(self):
        """marks of a crash in the output fail a row that would match otherwise"""
        for mark in ("Segmentation fault", "NETDIAG x", "ish: odd"):
            self.assertEqual(self.result("run: echo good; echo '%s'\nexpect: good\n" % mark).state,
                             "fail")

    def test_log(self):
        """a row during which the runner itself complained fails"""
        self.runner.diagnostics = lambda root: "ish: warn: something odd\n"
        result = self.result("run: echo x\nequals: x\n")
        self.assertEqual(result.state, "fail")
        self.assertIn("something odd", result.reason)

    def test_unsupported(self):
        """a row known not to work is unsupported with its reason, and a failure once it works"""
        broken = self.result("run: false\nequals:\nunsupported: no ptrace\n")
        self.assertEqual((broken.state, broken.reason), ("unsupported", "no ptrace"))
        self.assertEqual(self.result("run: true\nequals:\nunsupported: why\n").state, "fail")

    def test_peer_is_not_an_excuse_for_us(self):
        """a note about another runner excuses nobody else"""
        self.assertEqual(self.result("run: false\nequals:\npeer: qemu: why\n").state, "fail")

    def test_compare(self):
        """output that differs from the other runner's fails, unless the row says that it varies"""
        other = Here("qemu", tempfile.gettempdir())
        self.assertEqual(self.result("run: echo same\nexpect: .\n", other).state, "pass")
        self.assertEqual(self.result("run: pwd\nexpect: .\n", other).state, "fail")
        self.assertEqual(self.result("run: pwd\nexpect: .\nvaries: path\n", other).state, "pass")

    def test_cpu(self):
        """a row that needs more CPU time than it may, measured against another runner, fails"""
        other = Here("qemu", tempfile.gettempdir())
        work = "i=0; while [ $i -lt $N ]; do i=$((i+1)); done; echo done"
        text = "run: N=20000; case $PWD in %s) N=400000;; esac; %s\nequals: done\ncpu: %g\n"
        self.assertEqual(self.result(text % (self.runner.folder, work, 1.5), other).state, "fail")
        self.assertEqual(self.result(text % ("/none", work, 100), other).state, "pass")
        self.assertEqual(self.result(text % (self.runner.folder, work, 1.5)).state, "pass")
        broken = self.result("run: test $PWD = %s && echo x\nequals: x\ncpu: 9\nvaries: yes\n"
                             % self.runner.folder, other)
        self.assertIn("nothing to measure against", broken.reason)

    def test_host(self):
        """a row must print what its host command prints where the host keeps the root's tree"""
        text = "run: echo a >f; echo b >>f; cat f\nexpect: a\nhost: cat f%s\n"
        self.runner.tree = lambda root: self.runner.folder
        self.assertEqual(self.result(text % "").state, "pass")
        self.assertIn("'a' instead of 'b'", self.result(text % " | tac").reason)
        self.assertEqual(self.result(text % "; false").state, "fail")

    def test_environment(self):
        """the program gets the environment of the table and nothing of the host's"""
        result = self.result("exec: /usr/bin/env\nenv: A=1\nexpect: ^A=1$\n")
        names = {line.split("=")[0] for line in result.run.stdout.splitlines()}
        self.assertEqual(names, set(runners.ENVIRONMENT) | {"A"})


class Typing(Case):
    def test_steps(self):
        """keys are typed when what they wait for has been shown, and the window can change"""
        result = self.result("run: trap 'stty size; exit 4' WINCH; stty -echo; echo one; read x;"
                             " echo got $x; while :; do sleep 0.1; done\n"
                             "type: ^one => two\\r\n  got two => resize 30 90\n"
                             "expect: \\Aone\\ngot two\\n30 90\\n\\Z\nstatus: 4\n")
        self.assertEqual((result.state, result.reason), ("pass", ""))

    def test_controlling_terminal(self):
        """the program leads a session that has the terminal: keys make signals"""
        result = self.result("run: trap 'echo caught; exit 0' INT; echo up;"
                             " while :; do sleep 0.1; done\ntype: up => \\x03\nexpect: caught\n")
        self.assertEqual((result.state, result.reason), ("pass", ""))

    def test_a_step_that_never_comes(self):
        """a row whose program ends or stays silent before all was typed fails"""
        self.assertEqual(self.result("run: echo x\ntype: never => y\nexpect: x\n").state, "fail")
        silent = self.result("run: read x\ntype: never => y\nexpect: .*\n", timeout=0.5)
        self.assertIn("stopped", silent.reason)


class Tables(Case):
    def test_refused(self):
        """a table that could not be judged is refused"""
        for text in ("[row]\nrun: x\n", "[row]\nexpect: x\n", "[row]\nrun: x\nexec: y\nequals:\n",
                     "[row]\nrun: x\nequals:\n[row]\nrun: x\nequals:\n", "[row]\nnonsense: x\n",
                     "[row]\nrun: x\nequals:\nneeds: tiny moon\n", "[row]\n  floating\n"):
            with self.assertRaises(table.TableError, msg=text):
                table.parse(HEAD + text)

    def test_continuation(self):
        """continued lines keep what is behind their two blanks"""
        row = self.row("run: cat <<E\n    indented\n  E\nequals:   x\n    y\n")
        self.assertEqual(row.fields["run"], "cat <<E\n  indented\nE")
        self.assertEqual(row.equals, "x\n  y")

    def test_each(self):
        """an `each` row becomes one row a word, without the exceptions"""
        row = self.row("each: echo a b c\nrun: echo {}\nexpect: ^{}$\nexcept: b\n")
        made = list(row.instances(["a", "b", "c"]))
        self.assertEqual([item.name for item in made], ["row/a", "row/c"])
        self.assertEqual(made[0].fields["run"], "echo a")
        self.assertTrue(made[1].expect.search("c"))

    def test_all_tables(self):
        """every table in tests/gates can be read, and row names are unique within a stage"""
        names = []
        for name in sorted(os.listdir(runners.HERE)):
            if name.endswith(".tbl"):
                names += [(row.lane, row.stage, row.name)
                          for row in table.load(os.path.join(runners.HERE, name))]
        self.assertGreater(len(names), 50)
        self.assertEqual(len(names), len(set(names)))


class Reporting(Case):
    def test_not_selected_is_said(self):
        """rows whose root is absent are counted in the report, never passed"""
        rows = [self.row("run: x\nequals:\n"), self.row("run: x\nequals:\nneeds: base\n")]
        options = gate.parse(["--gate", "g"])
        self.assertEqual(set(gate.lanes_from({}, options, rows)), {"tiny", "base"})
        chosen, left_out = gate.select(rows, options, {"tiny": None})
        self.assertEqual((len(chosen), dict(left_out)), (1, {"base": 1}))
        self.assertIn("base (1 rows)", report.markdown("t", [], [], left_out))

    def test_compared(self):
        """a comparison shows both CPU times and their ratio"""
        run = judge.Run(0, False, 1.0, 3.0, "", "")
        result = judge.Result(self.row("run: x\nequals:\n"), "pass", "", run, run._replace(cpu=2.0))
        self.assertIn("| 1.00 | 3.00 | 2.00 | 1.50 |", report.markdown("t", [], [result], {}))
        self.assertIn("cpu 3.00 / 2.00 = 1.50", report.terminal_line(result))

    def test_totals(self):
        """unsupported rows are neither passed nor failed"""
        results = [self.result("run: true\nequals:\n"), self.result("run: false\nequals:\n"),
                   self.result("run: false\nequals:\nunsupported: why\n")]
        self.assertEqual(report.totals(results), "1 passed, 1 failed, 1 unsupported")
        self.assertIn("# SKIP unsupported: why", report.tap_line(3, results[2]))

    def test_expansion_that_fails(self):
        """an `each` that lists nothing leaves a failing row, not an empty success"""
        options = gate.parse(["--gate", "g", "--tap"])
        said = []
        runner = self.runner
        runner.unpack = lambda archive, folder: folder
        one = gate.Gate(options, runner, None, {"tiny": self.runner.folder}, said.append)
        runner.command = lambda root, launch: ["/bin/true"] if launch.program[0] == "/bin/mkdir" \
            else ["/bin/sh", "-c", "false"]
        one.run([self.row("each: false\nrun: echo {}\nequals: {}\n")])
        self.assertEqual([result.state for result in said], ["fail"])


if __name__ == "__main__":
    unittest.main()
