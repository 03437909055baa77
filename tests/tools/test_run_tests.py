"""The test runner counts promises, and nothing broken slips through it."""
import os
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tools"))

import run_tests  # noqa: E402


def states(result, output):
    record = {"name": "t", "result": result, "stdout": output}
    results, failed = run_tests.judge(record)
    return [state for state, _ in results], failed


class Judging(unittest.TestCase):
    def test_counts_lines(self):
        """each TAP line counts by itself"""
        self.assertEqual(states("OK", "ok 1 - a\nok 2 - b\n1..2\n"), (["passed"] * 2, False))

    def test_crash_after_good_lines(self):
        """a crash, hang or missing plan after good lines is a failure"""
        for result in ("ERROR", "TIMEOUT", "FAIL", "INTERRUPT"):
            self.assertEqual(states(result, "ok 1 - a\n"), (["passed", "failed"], True))

    def test_skip_is_not_a_pass(self):
        """a skipped line is counted as skipped"""
        self.assertEqual(states("OK", "ok 1 - a # SKIP no tool\n1..1\n"), (["skipped"], False))

    def test_todo_is_a_failure(self):
        """a failing line is a failure even when marked as to be done"""
        self.assertEqual(states("FAIL", "not ok 1 - a # TO" "DO later\n"), (["failed"], True))

    def test_without_tap(self):
        """a test that prints no TAP counts once"""
        self.assertEqual(states("OK", "hello\n"), (["passed"], False))
        self.assertEqual(states("TIMEOUT", ""), (["failed"], True))

    def test_missing_suite(self):
        """a suite that was never configured is noticed"""
        records = [{"name": "ish:%s / x" % name} for name in run_tests.EXPECTED]
        self.assertEqual(run_tests.missing_suites(records), [])
        self.assertEqual(run_tests.missing_suites(records[1:]), [run_tests.EXPECTED[0]])

    def test_closing_line(self):
        """the closing line has the form scripts look for"""
        count = run_tests.Count()
        count.passed = 3
        self.assertEqual(count.line(), "3 passed, 0 failed")
        count.skipped = 1
        self.assertEqual(count.line(), "3 passed, 0 failed, 1 skipped")


if __name__ == "__main__":
    unittest.main()
