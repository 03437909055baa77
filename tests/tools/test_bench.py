"""The speed comparison: start-up taken off, wrong results never shown as times."""
import os
import subprocess
import sys
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(TOP, "tests", "bench")
sys.path.insert(0, BENCH)

import compare as bench  # noqa: E402


class Measuring(unittest.TestCase):
    def figures(self):
        figures = bench.Figures(10)
        figures.samples[("a", "nop")] = [0.1, 0.2, 0.9]
        figures.samples[("a", "w")] = [1.2, 5.0, 1.1]
        figures.samples[("b", "nop")] = [0.0]
        figures.samples[("b", "w")] = [0.5]
        return figures

    def test_start_up_is_taken_off(self):
        """a median is that of the runs less that of doing nothing"""
        self.assertAlmostEqual(self.figures().median("a", "w"), 1.0)
        self.assertAlmostEqual(self.figures().ratio("w", "a", "b"), 2.0)

    def test_wrong_and_failed(self):
        """a wrong checksum and a failed run are said, and give no time and no mean"""
        figures = bench.Figures(10)
        systems = [bench.System("native", ["/bin/sh", "-c", "echo w 1"]),
                   bench.System("odd", ["/bin/sh", "-c", "echo w 2"]),
                   bench.System("dead", ["/bin/sh", "-c", "exit 3"])]
        for system in systems:
            figures.run(system, "w", 1, "w 1")
        text = bench.speed_table(figures, systems, {"w": "integer"})
        row = next(line for line in text.splitlines() if line.startswith("| w "))
        self.assertIn("| wrong | failed |", row)
        self.assertNotIn("**0", text)
        self.assertIsNone(figures.ratio("w", "odd", "native"))

    def test_time_limit(self):
        """a run that takes too long is a failed run"""
        self.assertIsNone(bench.measure(["/bin/sleep", "30"], dict(os.environ), 0.2))


class Program(unittest.TestCase):
    def test_workloads_agree(self):
        """every workload has a scale, and native and qemu-user agree on its checksum"""
        with tempfile.TemporaryDirectory() as folder:
            native = bench.compile_program("gcc", os.path.join(folder, "native"), bench.FLAGS,
                                           bench.SOURCES)
            guest = bench.compile_program("aarch64-linux-gnu-gcc", os.path.join(folder, "guest"),
                                          bench.FLAGS, bench.SOURCES)
            listed = subprocess.run([native, "list"], check=True, capture_output=True, text=True)
            names = [line.split()[0] for line in listed.stdout.splitlines()]
            self.assertEqual(sorted(names), sorted(bench.SCALES))
            environment = dict(os.environ, BENCH_EXEC="/usr/bin/" + bench.QEMU)
            for name in names:
                ours = subprocess.run([native, name, "1"], check=True, capture_output=True).stdout
                theirs = subprocess.run([bench.QEMU, guest, name, "1"], check=True,
                                        capture_output=True, env=environment).stdout
                self.assertEqual(ours, theirs, name)


if __name__ == "__main__":
    unittest.main()
