#include "weft/base/detail/thread_interrupt.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <thread>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "weft/base/detail/system_call.hpp"

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

// ---- Calls that fail with EINTR after any handler

#define SKIP_WHERE_CALLS_ARE_NOT_MADE_AGAIN() \
  if (!makes_calls_again) GTEST_SKIP() << "handlers cannot see what they interrupted, here"

constexpr int times = 20;
constexpr std::chrono::milliseconds while_interrupted{50};
constexpr timespec as_timespec{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds{while_interrupted}.count()};

/// A descriptor that nothing comes from until it is written to.
class silent_pipe {
 public:
  silent_pipe() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0); }
  ~silent_pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  [[nodiscard]] int end() const { return ends_[0]; }
  [[nodiscard]] pollfd readable() const { return {.fd = ends_[0], .events = POLLIN, .revents = 0}; }
  void write() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }

 private:
  int ends_[2];
};

/// Interrupts a thread that sleeps some times, or until it ends. Not for as long as it sleeps: the time that a thread
/// spends with interrupts, and waits for a core after each, does not count as slept.
void interrupt_asleep(const std::atomic<int>& thread, const std::atomic<bool>& ended) {
  static std::uint32_t argument = 1000;
  while (thread == 0) std::this_thread::yield();
  for (int i = 0; i < times && !ended; ++i) {
    sleeping_thread asleep;
    while (!ended && condition_of(thread, asleep) != thread_condition::asleep) std::this_thread::yield();
    if (ended || !interrupt().send(thread, ++argument)) return;
    while (taken != argument && !ended) std::this_thread::yield();
  }
}

/// What `wait` returns on a thread that is interrupted some times; then `let_go` ends it.
template <class Wait, class LetGo>
int interrupted(Wait wait, LetGo let_go) {
  std::atomic<int> number{0};
  std::atomic<bool> ended{false};
  int returned = 0;
  std::thread waiting{[&] {
    number = own_number();
    returned = wait();
    if (returned < 0) returned = -errno;
    ended = true;
  }};
  interrupt_asleep(number, ended);
  EXPECT_FALSE(ended) << "it returned " << returned;
  let_go();
  waiting.join();
  return returned;
}

/// The same for a wait that ends after `while_interrupted`: it takes as long as that.
template <class Wait>
int interrupted_for_a_time(Wait wait) {
  std::atomic<int> number{0};
  std::atomic<bool> ended{false};
  int returned = 0;
  const auto began = std::chrono::steady_clock::now();
  std::thread waiting{[&] {
    number = own_number();
    returned = wait();
    if (returned < 0) returned = -errno;
    EXPECT_GE(std::chrono::steady_clock::now() - began, while_interrupted);
    ended = true;
  }};
  interrupt_asleep(number, ended);
  waiting.join();
  return returned;
}

TEST(thread_interrupt, lets_calls_without_a_timeout_go_on) {
  SKIP_WHERE_CALLS_ARE_NOT_MADE_AGAIN();
  silent_pipe pipe;
  auto let_go = [&] { pipe.write(); };
  auto readable = pipe.readable();
  EXPECT_EQ(interrupted([&] { return ::poll(&readable, 1, -1); }, let_go), 1);
  silent_pipe second;
  auto let_second_go = [&] { second.write(); };
  const int epoll = ::epoll_create1(0);
  epoll_event event{.events = EPOLLIN, .data = {}};
  ASSERT_EQ(::epoll_ctl(epoll, EPOLL_CTL_ADD, second.end(), &event), 0);
  EXPECT_EQ(interrupted([&] { return ::epoll_wait(epoll, &event, 1, -1); }, let_second_go), 1);
  ::close(epoll);
  silent_pipe third;
  auto third_readable = third.readable();
  EXPECT_EQ(interrupted([&] { return ::ppoll(&third_readable, 1, nullptr, nullptr); }, [&] { third.write(); }), 1);
  silent_pipe fourth;
  EXPECT_EQ(interrupted(
                [&] {
                  fd_set wanted;
                  FD_ZERO(&wanted);
                  FD_SET(fourth.end(), &wanted);
                  return ::select(fourth.end() + 1, &wanted, nullptr, nullptr, nullptr);
                },
                [&] { fourth.write(); }),
            1);
}

TEST(thread_interrupt, lets_calls_whose_time_is_counted_down_go_on_for_that_time) {
  SKIP_WHERE_CALLS_ARE_NOT_MADE_AGAIN();
  EXPECT_EQ(interrupted_for_a_time([] { return ::ppoll(nullptr, 0, &as_timespec, nullptr); }), 0);
  EXPECT_EQ(interrupted_for_a_time([] {
              auto left = as_timespec;
              return ::nanosleep(&left, &left);
            }),
            0);
  EXPECT_EQ(interrupted_for_a_time([] {
              timeval left{.tv_sec = 0, .tv_usec = std::chrono::microseconds{while_interrupted}.count()};
              return ::select(0, nullptr, nullptr, nullptr, &left);
            }),
            0);
  EXPECT_EQ(interrupted_for_a_time([] {
              timespec until{};
              ::clock_gettime(CLOCK_MONOTONIC, &until);
              until.tv_nsec += as_timespec.tv_nsec;
              until.tv_sec += until.tv_nsec / 1'000'000'000;
              until.tv_nsec %= 1'000'000'000;
              return ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
            }),
            0);
}

TEST(thread_interrupt, lets_a_socket_with_a_timeout_go_on) {
  SKIP_WHERE_CALLS_ARE_NOT_MADE_AGAIN();
  silent_pipe pipe;
  const timeval hour{.tv_sec = 3600, .tv_usec = 0};
  ASSERT_EQ(::setsockopt(pipe.end(), SOL_SOCKET, SO_RCVTIMEO, &hour, sizeof hour), 0);
  char got = 0;
  EXPECT_EQ(interrupted([&] { return static_cast<int>(::recv(pipe.end(), &got, 1, 0)); }, [&] { pipe.write(); }), 1);
}

void take_and_raise(std::uint32_t argument) noexcept {
  ::syscall(SYS_tgkill, ::getpid(), own_number(), SIGUSR1);
  take(argument);
}

TEST(thread_interrupt, leaves_the_result_that_another_signal_wants_that_comes_meanwhile) {
  static_cast<void>(interrupt());  // the first
  static const thread_interrupt raising{&take_and_raise};
  struct sigaction ends_calls{};
  ends_calls.sa_handler = [](int) {};
  struct sigaction before{};
  ASSERT_EQ(::sigaction(SIGUSR1, &ends_calls, &before), 0);
  silent_pipe pipe;
  auto readable = pipe.readable();
  std::atomic<int> number{0};
  std::thread waiting{[&] {
    number = own_number();
    EXPECT_EQ(::poll(&readable, 1, -1), -1);
    EXPECT_EQ(errno, EINTR);
  }};
  sleeping_thread asleep;
  while (number == 0 || condition_of(number, asleep) != thread_condition::asleep || asleep.call != SYS_poll) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(raising.send(number, 22));
  waiting.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(thread_interrupt, lets_a_call_go_on_where_the_signal_that_comes_meanwhile_is_ignored) {
  SKIP_WHERE_CALLS_ARE_NOT_MADE_AGAIN();
  static_cast<void>(interrupt());  // the first
  static const thread_interrupt raising{&take_and_raise};
  const auto before = std::signal(SIGUSR1, SIG_IGN);
  silent_pipe pipe;
  auto readable = pipe.readable();
  std::atomic<int> number{0};
  std::atomic<bool> ended{false};
  std::thread waiting{[&] {
    number = own_number();
    EXPECT_EQ(::poll(&readable, 1, -1), 1);
    ended = true;
  }};
  sleeping_thread asleep;
  while (number == 0 || condition_of(number, asleep) != thread_condition::asleep || asleep.call != SYS_poll) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(raising.send(number, 23));
  while (taken != 23u) std::this_thread::yield();
  while (condition_of(number, asleep) != thread_condition::asleep) std::this_thread::yield();
  EXPECT_FALSE(ended);
  pipe.write();
  waiting.join();
  std::signal(SIGUSR1, before);
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
