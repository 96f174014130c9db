# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs unittest cases and says how they went in the Test Anything Protocol."""

import sys
import unittest


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.n = 0

    def report(self, verdict, test, comment=''):
        self.n += 1
        print(f'{verdict} {self.n} {test.id()}{comment}', flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.report('ok', test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.report('ok', test, f' # SKIP {reason}')

    def addError(self, test, err):
        super().addError(test, err)
        self.complain(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.complain(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.complain(subtest, err)

    def complain(self, test, err):
        self.report('not ok', test)
        print(self._exc_info_to_string(err, test), file=sys.stderr, flush=True)


def main():
    result = TapResult()
    unittest.defaultTestLoader.loadTestsFromModule(sys.modules['__main__']).run(result)
    print(f'1..{result.n}')
    sys.exit(0 if result.wasSuccessful() else 1)
