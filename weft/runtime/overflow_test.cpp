#include <gtest/gtest.h>

#include <csignal>
#include <cstddef>
#include <cstring>

#include <unistd.h>

#include <weft/runtime/runtime.hpp>
#include <weft/stack/detail/instrumentation.hpp>
#include <weft/task/spawn.hpp>

namespace weft {
namespace {

/// Far deeper than any stack here; a compiler must not see that.
volatile int deepest = 1'000'000;

int recurse(int depth, volatile char* outer) {
  volatile char frame[256];
  frame[0] = outer == nullptr ? char{0} : outer[0];
  return depth == deepest ? 0 : recurse(depth + 1, frame) + frame[0];
}

template <class F>
void run_alone(F f) {
  runtime home{{.seats = 1}};
  run_in(home, {.name = "main"}, std::move(f));
}

void dig(const spawn_options& options) {
  run_alone([&] { spawn(options, [] { recurse(0, nullptr); }).join(); });
}

#if defined(__x86_64__)
/// What a function does that was compiled without -fstack-clash-protection and has a frame of `frame_bytes`: it moves
/// the stack pointer past the guard, and writes `below_bytes` below where its caller's frame ends.
[[gnu::noinline]] void write_in_an_unprobed_frame(std::size_t frame_bytes, std::size_t below_bytes) {
  asm volatile(
      "movq %%rsp, %%rax\n\t"
      "movq %%rsp, %%rcx\n\t"
      "subq %1, %%rcx\n\t"
      "subq %0, %%rsp\n\t"
      "movb $1, (%%rcx)\n\t"
      "movq %%rax, %%rsp"
      :
      : "r"(frame_bytes), "r"(below_bytes)
      : "rax", "rcx", "memory");
}
#endif

void say_and_leave(int, siginfo_t* info, void*) {
  const char* text = info->si_addr == nullptr ? "the program's handler, null\n" : "the program's handler, elsewhere\n";
  static_cast<void>(!write(STDERR_FILENO, text, std::strlen(text)));
  _exit(3);
}

void install_own_handler() {
  struct sigaction action{};
  action.sa_sigaction = &say_and_leave;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
}

[[gnu::noinline]] void store_through_null() {
  void* nowhere = nullptr;
  asm volatile("" : "+r"(nowhere));
  *static_cast<volatile char*>(nowhere) = 1;
}

/// Ends as a fault ends a program; a sanitizer's own handler does it in its way.
template <class F>
void expect_to_die_of_a_fault(F body, const char* report) {
  if constexpr (stack::instrumented) {
    EXPECT_DEATH(body(), report);
  } else {
    EXPECT_EXIT(body(), testing::KilledBySignal(SIGSEGV), report);
  }
}

// Each runs in a child process of its own.
class overflow_death_test : public testing::Test {
 protected:
  static void SetUpTestSuite() { GTEST_FLAG_SET(death_test_style, "fast"); }
};

TEST_F(overflow_death_test, names_the_task_its_spawn_site_the_size_of_its_stack_and_where_it_was) {
  expect_to_die_of_a_fault([] { dig({.name = "digger", .stack_bytes = 128 * 1024}); },
                           "stack overflow in a virtual thread \\(stack of 131072 bytes\\).*\n"
                           "weft: the task is \"digger\", spawned at .*overflow_test.cpp:[0-9]+ in .*dig.*\n"
                           "(.*\\[0x[0-9a-f]+\\]\n)+");
}

TEST_F(overflow_death_test, of_a_task_without_a_name_says_where_it_was_spawned) {
  expect_to_die_of_a_fault([] { dig({}); },
                           "\\(stack of 262144 bytes\\).*\n"
                           "weft: the task is without a name, spawned at .*overflow_test.cpp:[0-9]+");
}

TEST_F(overflow_death_test, of_a_frame_larger_than_the_guard_is_named_though_the_frame_is_not_probed) {
#if defined(__x86_64__)
  for (std::size_t frame : {std::size_t{400}, std::size_t{3'000}, std::size_t{100'000}}) {
    expect_to_die_of_a_fault(
        [frame] {
          run_alone([frame] {
            spawn({.name = "digger"}, [frame] { write_in_an_unprobed_frame(frame * 1024, 270 * 1024); }).join();
          });
        },
        "\\(stack of 262144 bytes\\).*\nweft: the task is \"digger\"");
  }
#else
  GTEST_SKIP() << "in assembly for x86-64";
#endif
}

TEST_F(overflow_death_test, reaches_the_handler_that_the_program_installed_before) {
  EXPECT_EXIT(
      {
        install_own_handler();
        dig({.name = "digger"});
      },
      testing::ExitedWithCode(3), "the task is \"digger\"(.*\n)*the program's handler, elsewhere");
}

TEST_F(overflow_death_test, is_not_what_a_fault_elsewhere_is_which_ends_the_program_silently) {
  expect_to_die_of_a_fault([] { run_alone([] { store_through_null(); }); }, stack::instrumented ? "" : "^$");
}

TEST_F(overflow_death_test, leaves_a_fault_elsewhere_to_the_handler_that_the_program_installed_before) {
  EXPECT_EXIT(
      {
        install_own_handler();
        run_alone([] { store_through_null(); });
      },
      testing::ExitedWithCode(3), "^the program's handler, null");
}

TEST_F(overflow_death_test, leaves_a_fault_elsewhere_to_the_handler_that_the_program_installed_after) {
  EXPECT_EXIT(run_alone([] {
                install_own_handler();
                store_through_null();
              }),
              testing::ExitedWithCode(3), "^the program's handler, null");
}

}  // namespace
}  // namespace weft
