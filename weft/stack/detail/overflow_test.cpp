#include "weft/stack/detail/overflow.hpp"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include <weft/stack/detail/instrumentation.hpp>

#include "tests/support/flow.hpp"

namespace weft::stack {
namespace {

constexpr std::size_t stack_bytes = 128 * 1024;

/// Far deeper than any stack here; a compiler must not see that.
volatile int deepest = 1'000'000;

int recurse(int depth, volatile char* outer) {
  volatile char frame[256];
  frame[0] = outer == nullptr ? char{0} : outer[0];
  return depth == deepest ? 0 : recurse(depth + 1, frame) + frame[0];
}

void overflow_a_flow(slot** used = nullptr) {
  stack_pool pool{stack_bytes};
  flow recursion{pool, [](flow&) { recurse(0, nullptr); }};
  if (used != nullptr) *used = &recursion.stack();
  recursion.resume();
}

void write_out(const char* text) { static_cast<void>(!write(STDERR_FILENO, text, std::strlen(text))); }

// Each runs in a child process of its own, so none leaves a handler behind.
class overflow_death_test : public testing::Test {
 protected:
  static void SetUpTestSuite() { GTEST_FLAG_SET(death_test_style, "fast"); }
};

TEST_F(overflow_death_test, is_reported_with_the_size_of_the_stack_and_ends_the_program_as_a_fault_does) {
  auto overflow_with_handler = [] {
    install_overflow_handler();
    alternate_signal_stack signals;
    overflow_a_flow();
  };
  const char* report = "stack overflow in a virtual thread \\(stack of 131072 bytes\\): raise stack_bytes";
  if constexpr (instrumented) {
    EXPECT_DEATH(overflow_with_handler(), report);  // the sanitizer's own handler ends it
  } else {
    EXPECT_EXIT(overflow_with_handler(), testing::KilledBySignal(SIGSEGV), report);
  }
}

TEST_F(overflow_death_test, is_reported_with_a_stack_trace) {
  EXPECT_DEATH(
      {
        install_overflow_handler();
        alternate_signal_stack signals;
        overflow_a_flow();
      },
      "raise stack_bytes.*\n(.*\\[0x[0-9a-f]+\\]\n)+");
}

TEST_F(overflow_death_test, is_reported_in_an_os_thread_that_has_an_alternate_stack) {
  EXPECT_DEATH(
      {
        install_overflow_handler();
        std::thread{[] {
          alternate_signal_stack signals;
          overflow_a_flow();
        }}.join();
      },
      "stack overflow in a virtual thread");
}

slot* running = nullptr;

TEST_F(overflow_death_test, hands_the_stack_to_the_hook) {
  EXPECT_DEATH(
      {
        install_overflow_handler();
        set_overflow_hook([](const overflow& found) noexcept {
          write_out(found.stack == running && found.address < found.stack->bottom() ? "the right stack\n" : "wrong\n");
        });
        alternate_signal_stack signals;
        overflow_a_flow(&running);
      },
      "raise stack_bytes.*\nthe right stack\n");
}

void previous_handler(int, siginfo_t* info, void*) {
  write_out(info->si_addr == nullptr ? "previous handler, null\n" : "previous handler, elsewhere\n");
  _exit(3);
}

void install_previous_handler() {
  struct sigaction action{};
  action.sa_sigaction = &previous_handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, nullptr);
}

TEST_F(overflow_death_test, calls_the_previous_handler_after_the_report) {
  EXPECT_EXIT(
      {
        install_previous_handler();
        install_overflow_handler();
        alternate_signal_stack signals;
        overflow_a_flow();
      },
      testing::ExitedWithCode(3), "raise stack_bytes(.*\n)*previous handler, elsewhere");
}

[[gnu::noinline]] void store_through(volatile char* address) { *address = 1; }

TEST_F(overflow_death_test, does_not_claim_a_fault_elsewhere) {
  EXPECT_EXIT(
      {
        install_previous_handler();
        install_overflow_handler();
        alternate_signal_stack signals;
        void* nowhere = nullptr;
        asm volatile("" : "+r"(nowhere));
        store_through(static_cast<volatile char*>(nowhere));
      },
      testing::ExitedWithCode(3), "^previous handler, null");
}

TEST_F(overflow_death_test, does_not_claim_a_stray_pointer_into_the_guard_of_another_stack) {
  if constexpr (!machine::transparent) GTEST_SKIP() << "the handler does not know the stack pointer";
  EXPECT_EXIT(
      {
        install_previous_handler();
        install_overflow_handler();
        stack_pool pool{stack_bytes};
        store_through(reinterpret_cast<volatile char*>(pool.allocate().value()->bottom() - 1));
      },
      testing::ExitedWithCode(3), "^previous handler, elsewhere");
}

TEST_F(overflow_death_test, leaves_a_signal_that_was_sent_its_meaning) {
  auto send = [] {
    install_overflow_handler();
    raise(SIGSEGV);
  };
  if constexpr (instrumented) {
    EXPECT_DEATH(send(), "Sanitizer: ?DEADLYSIGNAL");  // the sanitizer's own handler was there before
  } else {
    EXPECT_EXIT(send(), testing::KilledBySignal(SIGSEGV), "");
  }
}

volatile std::sig_atomic_t survived_faults = 0;

TEST_F(overflow_death_test, lets_the_previous_handler_repair_the_fault_and_go_on) {
  EXPECT_EXIT(
      {
        struct sigaction action{};
        action.sa_handler = [](int) { survived_faults = survived_faults + 1; };
        sigaction(SIGSEGV, &action, nullptr);
        install_overflow_handler();
        raise(SIGSEGV);
        raise(SIGSEGV);
        _exit(survived_faults);
      },
      testing::ExitedWithCode(2), "");
}

TEST(alternate_signal_stack, is_in_place_while_it_lives_and_puts_back_what_was_there) {
  stack_t before{}, during{}, nested{}, after{};
  sigaltstack(nullptr, &before);
  {
    alternate_signal_stack outer;
    sigaltstack(nullptr, &during);
    EXPECT_EQ(during.ss_flags & SS_DISABLE, 0);
    EXPECT_NE(during.ss_sp, before.ss_sp);
    {
      alternate_signal_stack inner;
      sigaltstack(nullptr, &nested);
      EXPECT_NE(nested.ss_sp, during.ss_sp);
    }
    sigaltstack(nullptr, &nested);
    EXPECT_EQ(nested.ss_sp, during.ss_sp);
  }
  sigaltstack(nullptr, &after);
  EXPECT_EQ(after.ss_flags, before.ss_flags);
  EXPECT_EQ(after.ss_sp, before.ss_sp);
}

}  // namespace
}  // namespace weft::stack
