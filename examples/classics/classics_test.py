#!/usr/bin/env python3
"""Runs the classics: classics_test.py <folder of the programs>

Each shows four versions, of which the broken one goes wrong and the others right; the broken philosophers are named by
the deadlock detector; the output is safe in a pipe and readable as JSON.
"""

import json
import os
import subprocess
import sys
import unittest

FOLDER = sys.argv.pop()


def run(program, *arguments, **environment):
    done = subprocess.run([os.path.join(FOLDER, program), *arguments], capture_output=True, text=True, timeout=100,
                          env={**os.environ, **environment}, check=False)
    return done.returncode, done.stdout, done.stderr


class Classics(unittest.TestCase):
    def check(self, program):
        code, out, errors = run(program, "--json")
        self.assertEqual((code, errors), (0, ""), out)
        versions = json.loads(out)["versions"]
        self.assertEqual([each["version"] for each in versions], ["broken", "locks", "channels", "shared-nothing"])
        self.assertEqual([each["right"] for each in versions], [False, True, True, True])
        for each in versions:
            self.assertGreater(each["milliseconds"], 0)
        return versions

    def test_the_broken_bank_loses_or_makes_money_and_the_others_do_not(self):
        broken = self.check("bank_transfer")[0]
        self.assertRegex(broken["what"], r"\d+ were (lost|made of nothing)")

    def test_the_deadlock_of_the_broken_philosophers_is_named(self):
        broken = self.check("dining_philosophers")[0]
        for name in ("Plato", "Kant", "Hypatia", "Confucius", "Arendt"):
            self.assertRegex(broken["report"],
                             rf'"{name}", a virtual thread spawned at \S*dining_philosophers\.cpp:\d+, '
                             r"has waited \d+ ms for the mutex 0x")

    def test_a_pipe_gets_no_colours(self):
        for program in ("bank_transfer", "dining_philosophers"):
            code, out, _ = run(program)
            self.assertEqual(code, 0, out)
            self.assertNotIn("\033", out)
            self.assertIn("WRONG", out)

    def test_an_argument_that_is_not_known_is_refused(self):
        code, out, errors = run("bank_transfer", "--yaml")
        self.assertEqual((code, out), (1, ""))
        self.assertEqual(errors, "bank_transfer: --yaml is not known; --help tells what there is\n")


if __name__ == "__main__":
    unittest.main()
