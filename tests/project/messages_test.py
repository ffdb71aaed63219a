#!/usr/bin/env python3
"""Shows that a likely mistake is answered by one short message that names the way out, and that what looks like one and
is right compiles: messages_test.py INCLUDE_FOLDERS COMPILER...

INCLUDE_FOLDERS are separated by colons. Each compiler that is not installed is left out, but for the first.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

FOLDERS, COMPILERS = sys.argv[1].split(":"), sys.argv[2:]

# Of all that a compiler prints. The lines of includes and templates that lead to the message come before it.
MOST_LINES = 22
MESSAGE_WITHIN = 12

CHANNEL = "#include <weft/sync/channel.hpp>\n#include <weft/task/task.hpp>\n"
SPAWN = "#include <weft/task/spawn.hpp>\n"
NEEDS_NO_WAIT = "the plain form, x.f(), has waited already"
TAKES_OPERATIONS = "co_await takes an operation, x.async_f()"


class a_mistake(unittest.TestCase):
    def compile(self, compiler, code):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "snippet.cpp"
            source.write_text(code, encoding="utf-8")
            command = [compiler, "-std=c++23", "-fsyntax-only", "-Wall", "-Wextra"]
            command += [f"-I{each}" for each in FOLDERS] + [source.name]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace",
                                  env={**os.environ, "LC_ALL": "C"}, check=False)
            return done.returncode, done.stderr

    def assert_message(self, code, message):
        for compiler in COMPILERS:
            with self.subTest(compiler=compiler):
                failed, text = self.compile(compiler, code)
                lines = text.splitlines()
                self.assertTrue(failed, "it compiles")
                self.assertIn(message, "\n".join(lines[:MESSAGE_WITHIN]), text)
                self.assertLessEqual(len(lines), MOST_LINES, text)

    def assert_compiles(self, code):
        for compiler in COMPILERS:
            with self.subTest(compiler=compiler):
                failed, text = self.compile(compiler, code)
                self.assertFalse(failed, text)
                self.assertEqual(text, "")

    def test_awaiting_a_plain_form(self):
        self.assert_message(CHANNEL + "weft::task<int> f(weft::channel<int>& c) {\n  auto got = co_await c.recv();\n"
                            "  co_return got.value();\n}\n", TAKES_OPERATIONS)

    def test_awaiting_a_plain_sleep(self):
        self.assert_message("#include <weft/task/sleep.hpp>\n#include <weft/task/task.hpp>\n"
                            "weft::task<> f() { co_await weft::sleep(std::chrono::seconds{1}); }\n",
                            "co_await weft::async_sleep(1s)")

    def test_awaiting_what_cannot_be_awaited(self):
        self.assert_message("#include <weft/task/task.hpp>\nweft::task<> f() { co_await 1; }\n", TAKES_OPERATIONS)

    def test_awaiting_a_task_that_has_a_name(self):
        self.assert_message("#include <weft/task/task.hpp>\nweft::task<int> g();\n"
                            "weft::task<int> f() {\n  auto child = g();\n  co_return co_await child;\n}\n",
                            "co_await std::move(x)")

    def test_await_of_a_plain_form(self):
        self.assert_message(CHANNEL + "int f(weft::channel<int>& c) { return weft::await(c.recv()).value(); }\n",
                            NEEDS_NO_WAIT)

    def test_waiting_for_all_of_several_tasks(self):
        self.assert_message("#include <weft/combine/when_all.hpp>\n#include <weft/task/task.hpp>\n"
                            "weft::task<int> g();\n"
                            "weft::task<int> f() {\n  auto [a, b] = co_await weft::when_all(g(), g());\n"
                            "  co_return a + b;\n}\n", "a weft::task is none: spawn it")

    def test_waiting_for_one_of_several_plain_forms(self):
        self.assert_message(CHANNEL + "#include <weft/combine/select.hpp>\n"
                            "void f(weft::channel<int>& c) { weft::select(c.recv(), c.async_recv()); }\n",
                            NEEDS_NO_WAIT)

    def test_spawning_a_function_that_returns_an_rvalue_reference(self):
        self.assert_message(SPAWN + "int&& g();\nvoid f() { weft::spawn(g).join(); }\n", "no T&&")

    def test_is_not_to_await_an_operation_that_has_a_name(self):
        self.assert_compiles(CHANNEL + "weft::task<int> f(weft::channel<int>& c) {\n  auto next = c.async_recv();\n"
                             "  auto first = co_await next;\n  auto second = co_await next;\n"
                             "  co_return first.value() + second.value();\n}\n")

    def test_is_not_to_await_a_join_handle_or_to_spawn_a_function_that_returns_a_reference(self):
        self.assert_compiles(SPAWN + "int& g();\nweft::task<int> f() {\n  auto child = weft::spawn(g);\n"
                             "  int& value = co_await child;\n  co_await weft::spawn([] {});\n"
                             "  co_return value + co_await weft::spawn(g).async_join();\n}\n")

    def test_is_not_to_send_text(self):
        self.assert_compiles("#include <string>\n#include <weft/net/tcp.hpp>\n"
                             "bool f(weft::tcp_stream& one, weft::byte_stream& other, const std::string& text) {\n"
                             '  return one.send_all("hello") && one.send_all(text) && other.send_all("hello");\n}\n')


if __name__ == "__main__":
    COMPILERS = COMPILERS[:1] + [each for each in COMPILERS[1:] if shutil.which(each)]
    unittest.main(argv=sys.argv[:1])
