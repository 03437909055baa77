"""Runs unittest files and prints TAP, so that each test method counts: taprun.py FILE..."""
import importlib.util
import os
import sys
import traceback
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.count = 0

    def _line(self, good, test, note=""):
        self.count += 1
        name = (test.shortDescription() or test.id()).replace("#", "no. ")
        print("%s %d - %s%s" % ("ok" if good else "not ok", self.count, name, note), flush=True)

    def _broken(self, test, error):
        self._line(False, test)
        for line in "".join(traceback.format_exception(*error)).splitlines():
            print("# " + line)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._line(True, test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._broken(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._broken(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self._broken(subtest, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line(True, test, " # SKIP " + reason)


def main():
    sys.dont_write_bytecode = True
    suite = unittest.TestSuite()
    for path in sys.argv[1:]:
        sys.path.insert(0, os.path.dirname(os.path.abspath(path)))  # what the file imports beside it
        name = os.path.splitext(os.path.basename(path))[0]
        specification = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module  # where unittest looks for setUpModule
        specification.loader.exec_module(module)
        suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(module))
    result = TapResult()
    suite.run(result)
    print("1..%d" % result.count)
    sys.exit(0 if result.wasSuccessful() and result.count else 1)


if __name__ == "__main__":
    main()
