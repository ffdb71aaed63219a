#!/usr/bin/env python3
"""Shows that the checks of the project fail on trees that are wrong, and pass on one that is right."""

import tempfile
import unittest
from pathlib import Path

import check_layers
import check_layouts
import check_names
import check_orders
import check_tags
import check_text
import check_waits


class tree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("weft/CMakeLists.txt", "foreach(part task sync io)\n")
        self.part("task", "task.hpp")
        self.part("sync", "mutex.hpp", "weft::task")
        self.part("io", "socket.hpp", "weft::task")
        self.write("weft/weft.hpp", "#pragma once\n#include <weft/io/socket.hpp>\n#include <weft/sync/mutex.hpp>\n")
        self.write("weft/io/socket.hpp", "#pragma once\n#include <expected>\n#include <weft/task/task.hpp>\n")
        self.write("weft/sync/mutex.hpp", "#pragma once\n#include <weft/task/task.hpp>\n")
        self.write("weft/task/task.hpp", "#pragma once\n#include <cstddef>\n")

    def part(self, name, headers, depends="", more=""):
        self.write(f"weft/{name}/CMakeLists.txt",
                   f"weft_part({name}\n  HEADERS {headers}\n  DEPENDS Threads::Threads {depends}{more})\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    def assert_one(self, check, *words):
        problems = check(self.root)
        self.assertEqual(len(problems), 1, problems)
        for word in words:
            self.assertIn(word, problems[0])


class orders(tree):
    def test_an_order_that_a_comment_explains_passes(self):
        self.write("weft/task/a.cpp", "// release: to b()\na.store(1, std::memory_order_release);\n\n"
                                     "a.load(std::memory_order_relaxed);  // relaxed: a number\n")
        self.assertEqual(check_orders.check(self.root), [])

    def test_an_order_without_a_comment_or_below_an_empty_line_fails(self):
        self.write("weft/task/a.cpp", "// release: to b()\n\na.store(1, std::memory_order_release);\n")
        self.assert_one(check_orders.check, "weft/task/a.cpp:3", "say why")
        self.write("weft/task/a.cpp", "// counts\na.fetch_add(1, std::memory_order_relaxed);\n")
        self.assert_one(check_orders.check, "weft/task/a.cpp:2", "say why")


class names(tree):
    flag = """struct flag {
  void set() {
    // release: what was done; pairs with %s
    set_.store(true, std::memory_order_release);
  }
  bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }
  int end() const { return 0; }
};
"""

    def test_names_of_the_code_of_files_and_of_the_standard_library_pass(self):
        self.write("weft/task/a.cpp", "// Calls run_all(), see first_task and io_wait.hpp; std::stable_sort() not.\n"
                                     "void run_all(int first_task);\n")
        self.write("weft/task/io_wait.hpp", "#pragma once\n")
        self.assertEqual(check_names.check(self.root), [])

    def test_a_name_that_is_in_comments_only_fails(self):
        for name in ("run_all()", "run()", "run_all", "task.run()"):
            self.write("weft/task/a.cpp", f"// Calls {name}.\n")
            self.assert_one(check_names.check, "weft/task/a.cpp:1", "no code has the name run")

    def test_a_partner_that_uses_the_same_atomic_passes(self):
        self.write("weft/task/a.hpp", self.flag % "is_set()")
        self.assertEqual(check_names.check(self.root), [])

    def test_a_partner_that_does_not_or_is_none_fails(self):
        self.write("weft/task/a.hpp", self.flag % "end(). What else")
        self.assert_one(check_names.check, "weft/task/a.hpp:3", "pairs with end, which does not use set_")
        self.write("weft/task/a.hpp", self.flag % "what_was()")
        problems = check_names.check(self.root)
        self.assertIn("no code has the name what_was", problems[0])
        self.assertIn("pairs with what_was, which does not use set_", problems[1])


class tags(tree):
    def test_tags_that_begin_their_lines_pass(self):
        self.write("weft/task/task.hpp", """#pragma once
/// Takes what is there; the Order of things, and Parks of cities, are words like others.
/// Thread: any.
/// Cancel: nothing is taken,
///   and nothing lost.
/// Throws std::bad_alloc.
/// Parks.
int take();
int taken = 0;  // Thread: any
""")
        self.assertEqual(check_tags.check(self.root), [])

    def test_a_tag_behind_other_text_fails(self):
        for comment in ("/// Parks. Cancel: nothing is taken.", "/// Takes it. Throws std::bad_alloc.",
                        "/// Takes it (see above) Order: first come, first served.", "// Takes it. Parks.",
                        "int a;  ///< a number. Thread: any.", "/// Parks. Cancel never loses a value."):
            self.write("weft/task/a.hpp", f"\n{comment}\n")
            self.assert_one(check_tags.check, "weft/task/a.hpp:2", "a line of its own")

    def test_a_tag_in_columns_fails(self):
        self.write("weft/task/a.hpp", "/// Thread    any\n")
        self.assert_one(check_tags.check, "weft/task/a.hpp:1", "write 'Thread:'")


class layouts(tree):
    def test_a_container_of_std_in_a_public_header_fails(self):
        self.write("weft/task/task.hpp", "#pragma once\n// a std::vector\nstd::vector<int> all;\n")
        self.assert_one(check_layouts.check, "weft/task/task.hpp:3", "plain::vector")

    def test_those_of_namespace_plain_and_what_takes_the_programs_own_pass(self):
        self.write("weft/task/task.hpp", "#pragma once\nplain::vector<int> all;\nstd::string text;\n")
        self.write("weft/sync/channel.hpp", "#pragma once\nvoid recv_many(std::vector<int>& into);\n")
        self.assertEqual(check_layouts.check(self.root), [])


class layers(tree):
    def test_a_tree_that_keeps_the_order_passes(self):
        self.write("weft/io/socket.cpp",
                   '#include <sys/socket.h>\n#include <weft/task/task.hpp>\n#include "weft/io/detail/ring.hpp"\n')
        self.write("weft/io/detail/ring.hpp", "#pragma once\n#include <liburing.h>\n")
        self.assertEqual(check_layers.check(self.root), [])

    def test_a_part_that_is_not_named_may_not_be_included(self):
        self.write("weft/task/task.hpp", "#pragma once\n\n#include <weft/io/socket.hpp>\n")
        self.assert_one(check_layers.check, "weft/task/task.hpp:3", "task may not include")
        self.write("weft/task/task.hpp", "#pragma once\n")
        self.write("weft/io/ring.cpp", "#include <weft/sync/mutex.hpp>\n")
        self.assert_one(check_layers.check, "weft/io/ring.cpp:1", "io may not include", "weft::sync")

    def test_a_private_header_counts_as_well(self):
        self.write("weft/task/seat.cpp", '#  include "weft/io/detail/ring.hpp"\n')
        self.assert_one(check_layers.check, "weft/task/seat.cpp:1", "task may not include")

    def test_what_only_sources_need_is_not_for_an_installed_header(self):
        self.part("io", "socket.hpp", "weft::task", "\n  PRIVATE_DEPENDS weft::sync")
        self.write("weft/io/ring.cpp", "#include <weft/sync/mutex.hpp>\n")
        self.assertEqual(check_layers.check(self.root), [])
        self.write("weft/io/socket.hpp", "#pragma once\n#include <weft/task/task.hpp>\n"
                                         "#include <weft/sync/mutex.hpp>\n")
        self.assert_one(check_layers.check, "weft/io/socket.hpp:3", "io may not include")

    def test_a_part_that_is_named_and_not_included_fails(self):
        self.part("io", "socket.hpp", "weft::task weft::sync")
        self.assert_one(check_layers.check, "weft/io/CMakeLists.txt", "names weft::sync")

    def test_a_part_that_names_one_above_it_fails(self):
        self.write("weft/CMakeLists.txt", "foreach(part sync task io)\n")
        self.assert_one(check_layers.check, "weft/sync/CMakeLists.txt", "weft::task does not lie below sync")

    def test_tests_and_benchmarks_include_what_they_like(self):
        self.write("weft/task/task_test.cpp", "#include <weft/weft.hpp>\n#include <weft/io/socket.hpp>\n")
        self.write("weft/task/task_bench.cpp", "#include <weft/io/socket.hpp>\n")
        self.assertEqual(check_layers.check(self.root), [])

    def test_a_folder_that_is_no_part_fails(self):
        self.write("weft/utils/misc.cpp", "int x;\n")
        self.assert_one(check_layers.check, "weft/utils", "is no part")

    def test_a_public_header_that_includes_the_os_fails(self):
        for header in ("sys/socket.h", "unistd.h", "liburing.h", "boost/beast.hpp", "openssl/ssl.h"):
            self.write("weft/io/socket.hpp", f"#pragma once\n#include <{header}>\n#include <weft/task/task.hpp>\n")
            self.assert_one(check_layers.check, "socket.hpp:2", header)

    def test_a_header_is_included_as_it_is_installed(self):
        self.write("weft/io/a.cpp", '#include "weft/task/task.hpp"\n')
        self.assert_one(check_layers.check, "weft/io/a.cpp:1", "angle brackets")
        self.write("weft/io/a.cpp", "#include <weft/io/detail/ring.hpp>\n")
        self.assert_one(check_layers.check, "weft/io/a.cpp:1", "in quotes")

    def test_a_header_that_is_neither_in_detail_nor_installed_fails(self):
        self.write("weft/sync/latch.hpp", "#pragma once\n")
        self.assert_one(check_layers.check, "weft/sync/latch.hpp:1", "not installed")

    def test_a_public_header_that_the_umbrella_does_not_reach_fails(self):
        self.part("sync", "mutex.hpp latch.hpp", "weft::task")
        self.write("weft/sync/latch.hpp", "#pragma once\n")
        self.assert_one(check_layers.check, "does not reach <weft/sync/latch.hpp>")
        self.write("weft/io/socket.hpp", "#pragma once\n#include <weft/task/task.hpp>\n")
        self.write("weft/sync/mutex.hpp", "#pragma once\n#include <weft/sync/latch.hpp>\n"
                                          "#include <weft/task/task.hpp>\n")
        self.assertEqual(check_layers.check(self.root), [])

    def test_the_umbrella_holds_nothing_of_detail(self):
        self.part("sync", "mutex.hpp detail/list.hpp", "weft::task")
        self.write("weft/sync/detail/list.hpp", "#pragma once\n")
        self.write("weft/weft.hpp", "#pragma once\n#include <weft/io/socket.hpp>\n#include <weft/sync/mutex.hpp>\n"
                                    "#include <weft/sync/detail/list.hpp>\n")
        self.assert_one(check_layers.check, "weft/weft.hpp:4", "not for users")

    def test_a_part_that_includes_the_umbrella_fails(self):
        self.write("weft/io/socket.cpp", "#include <weft/weft.hpp>\n")
        self.assert_one(check_layers.check, "only programs")

    def test_a_header_without_pragma_once_fails(self):
        self.write("weft/io/socket.hpp", "#include <weft/task/task.hpp>\n")
        self.assert_one(check_layers.check, "#pragma once")

    def test_the_drawing_shows_what_the_include_lines_say(self):
        self.assertEqual([*check_layers.drawing(self.root)], ["io        task", "sync      task", "task"])


class text(tree):
    def test_a_clean_tree_passes(self):
        self.write("Makefile", "all:\n\ttrue\n")
        self.write("logo.png", "\0\t \n")
        self.assertEqual(check_text.check(self.root), [])

    def test_what_does_not_belong_fails_with_its_place(self):
        for line, word in {
            "// TO" + "DO: later": "do it or file",
            'open("/ho' + 'me/somebody/x")': "one machine",
            "\tint x;": "a tab",
            "int x;  ": "blanks",
            "int x;\r": "carriage return",
            "x" * 121: "121 columns",
        }.items():
            self.write("weft/net/detail/socket.cpp", f"int first;\n{line}\n")
            self.assert_one(check_text.check, "weft/net/detail/socket.cpp:2", word)

    def test_a_last_line_that_does_not_end_fails(self):
        self.write("weft/net/detail/socket.cpp", "int x;")
        self.assert_one(check_text.check, "weft/net/detail/socket.cpp:1", "does not end")


class waits(tree):
    def setUp(self):
        super().setUp()
        self.write("weft/task/task.hpp", """#pragma once
namespace weft {
class box {
 public:
  /// Takes what is there.
  /// Parks.
  /// Cancel: nothing is taken.
  [[nodiscard]] int take();
  [[nodiscard]] operation async_take() noexcept { return operation{*this}; }
  /// Does not wait.
  [[nodiscard]] int try_take();

 private:
  int async_hidden_;
};
}  // namespace weft
""")
        self.write("weft/task/box_test.cpp", "TEST_P(boxes, that_are_cancelled_keep_what_they_have) {}\n")
        self.row = "| `box::take`, `box::async_take` | nothing | none | `weft/task/box_test.cpp`: {} |\n"

    def test_a_call_with_a_row_that_names_a_test_passes(self):
        self.write("docs/waiting.md", self.row.format("that_are_cancelled_keep_what_they_have"))
        self.assertEqual(check_waits.check(self.root), [])

    def test_a_call_without_a_row_fails(self):
        row = self.row.format("that_are_cancelled_keep_what_they_have")
        self.write("docs/waiting.md", row.replace("box::take", "x"))
        problems = check_waits.check(self.root)
        self.assertIn("box::take waits, and has no row", problems[0])
        self.assertIn("x is no public call that waits", problems[1])

    def test_a_row_whose_test_is_not_there_fails(self):
        self.write("docs/waiting.md", self.row.format("that_never_was"))
        self.assert_one(check_waits.check, "docs/waiting.md:1", "no test that_never_was")


if __name__ == "__main__":
    unittest.main()
