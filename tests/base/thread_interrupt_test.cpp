#include "base/thread_interrupt.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include <sys/syscall.h>
#include <unistd.h>

namespace weft::base {
namespace {

int own_number() { return static_cast<int>(::syscall(SYS_gettid)); }

std::atomic<int> taken_by{0};
std::atomic<std::uint32_t> taken{0};
std::atomic<int> foreign_signals{0};

void take(std::uint32_t argument) noexcept {
  errno = EILSEQ;
  taken_by = own_number();
  taken = argument;
}

void count_foreign(int) { ++foreign_signals; }

/// Made after a handler of the program's own was set.
const thread_interrupt& interrupt() {
  static const thread_interrupt made = [] {
    std::signal(SIGURG, &count_foreign);
    return thread_interrupt{&take};
  }();
  return made;
}

/// Sends `argument` to the thread until it has taken it: what is sent may be taken as one with what was sent before.
void send_until_taken(int thread, std::uint32_t argument) {
  while (taken != argument) {
    ASSERT_TRUE(interrupt().send(thread, argument));
    std::this_thread::yield();
  }
}

TEST(thread_interrupt, reaches_a_thread_that_computes_and_leaves_its_errno) {
  std::atomic<int> number{0};
  std::atomic<bool> stop{false};
  int error_after = 0;
  std::thread computing{[&] {
    errno = EDOM;
    number = own_number();
    while (!stop) {}
    error_after = errno;
  }};
  while (number == 0) std::this_thread::yield();
  send_until_taken(number, 17);
  stop = true;
  computing.join();
  EXPECT_EQ(taken_by, number);
  EXPECT_EQ(error_after, EDOM);
}

TEST(thread_interrupt, lets_a_read_go_on) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::atomic<int> number{0};
  std::thread reading{[&] {
    number = own_number();
    char got = 0;
    EXPECT_EQ(::read(ends[0], &got, 1), 1);
    EXPECT_EQ(got, 'x');
  }};
  while (number == 0) std::this_thread::yield();
  send_until_taken(number, 18);
  send_until_taken(number, 19);
  EXPECT_EQ(::write(ends[1], "x", 1), 1);
  reading.join();
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(thread_interrupt, leaves_other_signals_to_the_handler_that_was_there_before) {
  send_until_taken(own_number(), 20);
  EXPECT_EQ(foreign_signals, 0);
  std::raise(SIGURG);
  EXPECT_EQ(foreign_signals, 1);
  // One that carries something, but not ours.
  sigval word{};
  word.sival_ptr = &word;
  ASSERT_EQ(::sigqueue(::getpid(), SIGURG, word), 0);
  while (foreign_signals == 1) std::this_thread::yield();
  EXPECT_EQ(foreign_signals, 2);
  EXPECT_EQ(taken, 20u);
}

TEST(thread_interrupt, says_when_there_is_no_such_thread) {
  int number = 0;
  std::thread{[&] { number = own_number(); }}.join();
  // The system has let go of the thread some time after it was joined.
  while (interrupt().send(number, 21)) std::this_thread::yield();
}

}  // namespace
}  // namespace weft::base
