#!/usr/bin/env python3
"""Shows what scripts/find-thread-state finds, and what it leaves alone."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "find-thread-state"


def found_in(text):
    """The lines that the script names, with what it says of each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.cpp"
        path.write_text(text, encoding="utf-8")
        said = subprocess.run([sys.executable, "-B", str(SCRIPT), folder], capture_output=True, text=True)
    lines = [line.removeprefix(f"{path}:") for line in said.stdout.splitlines()]
    assert said.stderr == "" and said.returncode == (1 if lines else 0), said
    return lines


class finds(unittest.TestCase):
    def assert_finds(self, text, line, *words):
        found = found_in(text)
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{line}: "), found)
        for word in words:
            self.assertIn(word, found[0])

    def test_a_thread_local_used_on_both_sides_of_a_wait(self):
        self.assert_finds("thread_local int hits = 0;\nvoid f(weft::channel<int>& c) {\n  ++hits;\n  c.recv();\n"
                          "  ++hits;\n}\n", 5, "hits", "line 4")

    def test_one_that_is_declared_inside_of_the_function(self):
        self.assert_finds("int f() {\n  thread_local std::mt19937 generator;\n  weft::sleep(1ms);\n"
                          "  return generator();\n}\n", 4, "generator", "line 3")

    def test_a_wait_behind_another_function_of_the_file(self):
        self.assert_finds("thread_local int n;\nvoid low() { co_await x.async_recv(); }\nvoid high() { low(); }\n"
                          "void f() {\n  n = 1;\n  high();\n  use(n);\n}\n", 7, "n is used", "line 6")

    def test_the_identity_of_the_thread(self):
        self.assert_finds("bool f() {\n  auto me = std::this_thread::get_id();\n  weft::yield();\n"
                          "  return me == std::this_thread::get_id();\n}\n", 4, "identity")

    def test_a_lock_of_the_standard_library_that_is_held(self):
        self.assert_finds("std::mutex m;\nvoid f() {\n  std::lock_guard guard{m};\n  weft::sleep(1ms);\n}\n", 3, "lock",
                          "line 4")
        self.assert_finds("void f(M& m) {\n  std::unique_lock<std::shared_mutex> lock(m);\n  other.join();\n}\n", 2,
                          "lock")

    def test_a_wait_in_an_openmp_region(self):
        self.assert_finds("void f() {\n#pragma omp parallel for\n  for (int i = 0; i < 9; ++i) {\n    c.send(i);\n  }\n"
                          "}\n", 4, "OpenMP")


class leaves_alone(unittest.TestCase):
    def test_what_is_used_on_one_side_only_or_in_a_function_that_does_not_wait(self):
        self.assertEqual(found_in("thread_local int n;\nvoid f() { ++n; ++n; }\nvoid g() { ++n; c.recv(); }\n"
                                  "void h() { c.recv(); ++n; }\n"), [])

    def test_locks_that_are_let_go_before_the_wait_and_those_of_weft(self):
        self.assertEqual(found_in("std::mutex m;\nweft::mutex w;\n"
                                  "void f() {\n  { std::lock_guard guard{m}; ++n; }\n  c.recv();\n}\n"
                                  "void g() {\n  std::unique_lock lock{m};\n  lock.unlock();\n  c.recv();\n}\n"
                                  "void h() {\n  std::lock_guard guard{w};\n  c.recv();\n}\n"
                                  "void i() {\n  std::unique_lock lock{m};\n  changed.wait(lock, [] { return n; });\n"
                                  "}\n"), [])

    def test_comments_strings_and_what_is_pardoned(self):
        self.assertEqual(found_in("thread_local int n;\nvoid f() {\n  ++n;  // c.recv();\n  log(\"c.recv()\");\n"
                                  "  ++n;\n}\n"
                                  "void g() {\n  ++n;\n  c.recv();\n  ++n;  // stays on its thread\n}\n"), [])


class examples(unittest.TestCase):
    def test_of_the_page_are_in_the_program_that_compiles_them(self):
        page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
        program = (ROOT / "weft" / "sync" / "rules_test.cpp").read_text(encoding="utf-8")
        shown = [block.split("```")[0].strip() for block in page.split("```cpp\n")[1:]]
        self.assertGreater(len(shown), 5)
        for each in shown:
            self.assertIn(each, program)

    def test_that_are_wrong_are_found_and_no_others(self):
        said = subprocess.run([sys.executable, "-B", str(SCRIPT), str(ROOT / "weft" / "sync" / "rules_test.cpp")],
                              capture_output=True, text=True).stdout
        program = (ROOT / "weft" / "sync" / "rules_test.cpp").read_text(encoding="utf-8").split("\n")
        named = [program[int(line.split(":")[1]) - 1].strip() for line in said.splitlines()]
        self.assertEqual([line.split("  ")[0] for line in named], ["++hits;", "std::lock_guard guard{locked};"])


if __name__ == "__main__":
    unittest.main()
