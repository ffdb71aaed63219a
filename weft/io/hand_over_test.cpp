#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <list>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weft/base/random.hpp>
#include <weft/fs/file.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sched/driver.hpp>
#include <weft/task/deadline_scope.hpp>

#include "tests/support/io_fixture.hpp"
#include "weft/sched/detail/thread_state.hpp"

// No file call is lost when a seat changes hands. First the reactor alone, whose owners are threads of the test, so
// that each order of events can be had; then all of it at random: tasks that write files and have their seats taken.

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace testing;

/// How long a test waits for what cannot happen any more before it fails.
constexpr auto patience = 60s;

[[nodiscard]] int this_thread_number() { return static_cast<int>(::syscall(SYS_gettid)); }

/// Blocks every signal on the calling thread, and those that it starts, while it lives.
class no_signals {
 public:
  no_signals() {
    sigset_t all;
    sigfillset(&all);
    EXPECT_EQ(::pthread_sigmask(SIG_SETMASK, &all, &before_), 0);
  }
  ~no_signals() { EXPECT_EQ(::pthread_sigmask(SIG_SETMASK, &before_, nullptr), 0); }
  no_signals(const no_signals&) = delete;
  no_signals& operator=(const no_signals&) = delete;

 private:
  sigset_t before_{};
};

/// Reads one byte of a pipe of its own, by way of a reactor.
class read_of_pipe final : public detail::file_request {
 public:
  explicit read_of_pipe(io::reactor& by) : file_request{{.what = detail::file_call::kind::read, .bytes = 1}}, by_{by} {
    EXPECT_EQ(::pipe2(ends_, O_CLOEXEC), 0);
    call.number = ends_[0];
    call.buffer = &byte_;
  }
  ~read_of_pipe() {
    for (int end : ends_) ::close(end);
  }
  read_of_pipe(const read_of_pipe&) = delete;
  read_of_pipe& operator=(const read_of_pipe&) = delete;

  void let_complete() { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  /// Asks the reactor to cancel it.
  void cancel() {
    asked_ = true;
    by_.cancel(*this);
  }
  [[nodiscard]] bool is_completed() const { return outcome_ != none; }
  [[nodiscard]] std::int64_t outcome() const { return outcome_; }

  /// Has `f` called where the completion is delivered, before the request is withdrawn.
  void on_completion(std::function<void()> f) {
    listener_ = std::move(f);
    is_listened_to_ = true;
  }

 private:
  static constexpr std::int64_t none = 12345;

  void completed(std::int64_t result) noexcept override {
    if (is_listened_to_) listener_();
    if (asked_) by_.withdraw(*this);
    outcome_ = result;
  }

  io::reactor& by_;
  int ends_[2] = {-1, -1};
  std::byte byte_{};
  std::function<void()> listener_;
  std::atomic<bool> is_listened_to_{false};  // the kernel, by which a completion comes, is no order to a sanitizer
  std::atomic<bool> asked_{false};
  std::atomic<std::int64_t> outcome_{none};
};

/// A reactor on io_uring whose owners are threads of the test. The test's own thread is the last of them.
class lost_rings : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = io::make_io_uring_reactor();
    if (!made) GTEST_SKIP() << "this kernel refuses io_uring";
    reactor_ = std::move(*made);
  }
  void TearDown() override {
    for (auto& each : owners_) each.come_back();
    for (auto& each : owners_) each.thread.join();
  }

  /// A thread that begins, submits `count` calls which the kernel then has, and runs a task until it may come back.
  class owner {
   public:
    owner(io::reactor& reactor, std::list<read_of_pipe>& calls, std::size_t count)
        : thread{[this, &reactor, &calls, count] {
            reactor.begin_on_this_thread();
            for (std::size_t i = 0; i < count; ++i) reactor.submit(calls.emplace_back(reactor));
            reactor.poll(time_point::min());
            number_ = this_thread_number();
            while (!may_come_back_) std::this_thread::yield();
            reactor.end_on_this_thread();
          }} {
      while (number_ == 0) std::this_thread::yield();
    }
    void come_back() { may_come_back_ = true; }
    /// Its task is over, and it sleeps for some reason or its thread has ended.
    [[nodiscard]] bool is_back() const { return sched::activity_of(number_).reason != sched::stall_reason::computing; }

   private:
    std::atomic<int> number_{0};
    std::atomic<bool> may_come_back_{false};

   public:
    std::thread thread;  // the last member: it uses the others
  };

  /// Another owner, after those that there are.
  owner& next_owner(std::size_t calls) {
    if (!owners_.empty()) {
      EXPECT_TRUE(reactor_->prepare_hand_over());
    }
    return owners_.emplace_back(*reactor_, calls_, calls);
  }
  /// The calling thread is the next owner.
  void sit_down() {
    EXPECT_TRUE(reactor_->prepare_hand_over());
    reactor_->begin_on_this_thread();
  }
  void poll_until(const std::function<bool()>& happened) {
    auto end = std::chrono::steady_clock::now() + patience;
    while (!happened()) {
      if (std::chrono::steady_clock::now() > end) {
        ADD_FAILURE() << "a call is lost";
        std::_Exit(1);  // what waits for the calls would do so for ever
      }
      reactor_->poll(now() + 1ms);
    }
  }
  void poll_until_all_are_completed() {
    poll_until([&] { return std::ranges::all_of(calls_, &read_of_pipe::is_completed); });
  }

  std::unique_ptr<io::reactor> reactor_;
  std::list<read_of_pipe> calls_;
  std::list<owner> owners_;
};

TEST_F(lost_rings, an_owner_that_is_back_before_its_successor_has_begun_stays_until_its_calls_are_completed) {
  auto& before = next_owner(3);
  before.come_back();
  while (!before.is_back()) std::this_thread::yield();
  sit_down();
  for (auto& each : calls_) each.let_complete();
  poll_until_all_are_completed();
  for (auto& each : calls_) EXPECT_EQ(each.outcome(), 1);
}

TEST_F(lost_rings, calls_complete_on_every_ring_of_several_owners_in_a_row) {
  for (int i = 0; i < 3; ++i) next_owner(3);
  sit_down();
  reactor_->submit(calls_.emplace_back(*reactor_));
  owners_.begin()->come_back();
  for (auto& each : calls_) each.let_complete();
  poll_until_all_are_completed();
  for (auto& each : calls_) EXPECT_EQ(each.outcome(), 1);
}

TEST_F(lost_rings, more_calls_than_a_ring_takes_requests_at_once_are_cancelled) {
  constexpr std::size_t many = 1000;
  next_owner(many);
  sit_down();
  for (auto& each : calls_) each.cancel();
  poll_until_all_are_completed();
  for (auto& each : calls_) EXPECT_EQ(each.outcome(), -ECANCELED);
}

TEST_F(lost_rings, calls_are_cancelled_of_an_owner_that_is_back) {
  auto& before = next_owner(300);
  sit_down();
  before.come_back();
  while (!before.is_back()) reactor_->poll(time_point::min());
  for (auto& each : calls_) each.cancel();
  poll_until_all_are_completed();
  for (auto& each : calls_) EXPECT_EQ(each.outcome(), -ECANCELED);
}

TEST_F(lost_rings, calls_are_cancelled_of_an_owner_that_is_back_with_every_signal_blocked) {
  no_signals here;
  auto& before = next_owner(3);
  sit_down();
  before.come_back();
  while (!before.is_back()) reactor_->poll(time_point::min());
  for (auto& each : calls_) each.cancel();
  poll_until_all_are_completed();
  for (auto& each : calls_) EXPECT_EQ(each.outcome(), -ECANCELED);
}

TEST_F(lost_rings, an_owner_delivers_while_its_successor_cancels) {
  auto& before = next_owner(2);
  sit_down();
  before.come_back();
  while (!before.is_back()) reactor_->poll(time_point::min());
  auto &first = calls_.front(), &second = calls_.back();
  std::atomic<bool> delivers{false}, has_cancelled{false};
  const auto successor = this_thread_number();
  first.on_completion([&] {
    delivers = true;
    // The successor is through, or waits for a lock that the owner has: then the owner would wait for the successor's.
    while (!has_cancelled && sched::activity_of(successor).reason != sched::stall_reason::lock) {
      std::this_thread::yield();
    }
  });
  first.let_complete();
  while (!delivers) std::this_thread::yield();
  first.cancel();
  second.cancel();
  reactor_->poll(time_point::min());
  has_cancelled = true;
  poll_until_all_are_completed();
  EXPECT_EQ(first.outcome(), 1);
  EXPECT_EQ(second.outcome(), -ECANCELED);
}

TEST(a_program_that_blocks_every_signal, has_its_file_calls_completed_while_the_thread_that_submitted_them_is_stuck) {
  if (!io::make_io_uring_reactor()) GTEST_SKIP() << "no io_uring here";
  no_signals here;
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  std::atomic<bool> is_read{false};
  weft::run({.seats = 1, .reactor = reactor_kind::io_uring, .watchdog = {.slice = 1ms}}, [&] {
    auto pipe = must(file::open("/proc/self/fd/" + std::to_string(ends[0])));
    auto reading = spawn([&] {
      std::byte one{};
      EXPECT_EQ(must(await(pipe.async_read_at(std::span{&one, 1}, 0))), 1u);
      is_read = true;
    });
    run_until_parked(reading);
    EXPECT_TRUE(sleep(1ms));  // the reactor is entered
    EXPECT_EQ(::write(ends[1], "x", 1), 1);
    while (!is_read) {}
    reading.join();
  });
  for (int end : ends) ::close(end);
}

// ---- at random: each round is a runtime of its own and a seed, which is printed before the round begins.
// WEFT_TEST_SEED runs one round again; WEFT_STRESS_SECONDS says for how long there are new ones on each reactor.

/// Keeps the seat, if the caller has one, until the watchdog has given it, or another, away.
void lose_seat() {
  auto given_away = [] { return runtime::current()->statistics().handed_over; };
  const auto before = given_away();  // first: it may be given away right after the look
  if (!sched::held_driver{}.is_of_own_seat()) return;
  while (given_away() == before) {}
}

/// Ends early now and then.
[[nodiscard]] duration some_limit(base::random& random) {
  return random.below(4) == 0 ? std::chrono::microseconds{random.below(300)} : unlimited;
}

/// A folder that is empty in the end.
class folder {
 public:
  folder() {
    std::string name = (std::filesystem::temp_directory_path() / "weft_hand_over_test.XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~folder() {
    EXPECT_TRUE(std::filesystem::is_empty(path_));
    std::filesystem::remove_all(path_);
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

[[nodiscard]] std::vector<std::byte> some_bytes(base::random& random) {
  std::vector<std::byte> bytes(1 + random.below(64 * 1024));
  for (auto& each : bytes) each = static_cast<std::byte>(random.next() >> 56);
  return bytes;
}

/// Whether a write was carried out, or left because of its limit.
void expect_made_or_left(const result<std::size_t>& outcome) {
  if (!outcome) {
    EXPECT_EQ(outcome.error(), errc::timed_out);
  }
}

constexpr open_options to_make{.access = file_access::read_write, .creation = file_creation::always_new};

void write_one(const std::filesystem::path& path, base::random& random) {
  auto bytes = some_bytes(random);
  auto made = must(file::open(path, to_make));
  {
    deadline_scope within{some_limit(random)};
    expect_made_or_left(made.write_at(bytes, 0));
  }
  if (random.below(3) == 0) lose_seat();
  EXPECT_TRUE(made.write_all_at(bytes, 0));
  EXPECT_TRUE(made.sync());
  std::vector<std::byte> read(bytes.size());
  EXPECT_EQ(made.read_at(read, 0), bytes.size());
  EXPECT_EQ(read, bytes);
  made.close();
  EXPECT_TRUE(remove_file(path));
}

task<> write_one_suspended(const std::filesystem::path path, base::random& random) {
  auto bytes = some_bytes(random);
  auto made = must(co_await file::async_open(path, to_make));
  {
    deadline_scope within{some_limit(random)};
    expect_made_or_left(co_await made.async_write_at(bytes, 0));
  }
  if (random.below(3) == 0) lose_seat();
  for (std::size_t done = 0; done < bytes.size();) {
    auto written = co_await made.async_write_at(std::span{bytes}.subspan(done), done);
    done += must(written);
  }
  EXPECT_TRUE(co_await made.async_sync());
  made.close();
  EXPECT_EQ(std::filesystem::file_size(path), bytes.size());
  EXPECT_TRUE(co_await async_remove_file(path));
}

/// A read that the kernel has until it is cancelled. Where the task has no seat a thread makes the call, which nobody
/// can have end: then it ends by what let_go_of() writes.
void wait_in_vain(const std::filesystem::path& path) {
  EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
  auto pipe = must(file::open(path, {.access = file_access::read_write}));
  std::vector<std::byte> buffer(16);
  auto got = await(pipe.async_read_at(buffer, 0));
  EXPECT_TRUE(got ? *got == 1 : got.error() == errc::cancelled);
  EXPECT_EQ(::unlink(path.c_str()), 0);
}

void let_go_of(const std::filesystem::path& path) {
  int number = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (number < 0) return;  // nobody reads it any more
  EXPECT_EQ(::write(number, "x", 1), 1);
  ::close(number);
}

void talk(stream_pair& pair, base::random& random, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    EXPECT_TRUE(pair.client.send_all(bytes_of("hello")));
    if (random.below(3) == 0) lose_seat();
    EXPECT_EQ(recv_text(pair.server, 5), "hello");
  }
}

void run_round(reactor_kind reactor, std::uint32_t seed) {
  constexpr int files = 4;
  base::random random{seed};
  const auto seats = 1 + random.below(3), writers = 2 + random.below(14), waiters = random.below(8);
  std::cout << "WEFT_TEST_SEED=" << seed << ": seats " << seats << ", writers " << writers << ", waiters " << waiters
            << std::endl;
  SCOPED_TRACE("WEFT_TEST_SEED=" + std::to_string(seed));
  folder work;
  auto path = [&](const char* what, std::uint32_t i) { return work.path() / (what + std::to_string(i)); };
  weft::run({.seats = seats, .reactor = reactor, .watchdog = {.slice = 1ms}}, [&] {
    scope all;
    auto own = [&] { return base::random{random.next()}; };
    std::vector<join_handle<void>> waiting;
    for (std::uint32_t i = 0; i < waiters; ++i) {
      waiting.push_back(spawn([name = path("pipe", i)] { wait_in_vain(name); }));
    }
    for (std::uint32_t i = 0; i < writers; ++i) {
      if (i % 2 == 0) {
        all.spawn([name = path("file", i), numbers = own()]() mutable {
          for (int k = 0; k < files; ++k) write_one(name, numbers);
        });
      } else {
        all.spawn([](std::filesystem::path name, base::random numbers) -> task<> {
          for (int k = 0; k < files; ++k) co_await write_one_suspended(name, numbers);
        }(path("file", i), own()));
      }
    }
    all.spawn([numbers = own()]() mutable {
      auto pair = connected_pair();
      talk(pair, numbers, files);
    });
    for (auto& each : waiting) run_until_parked(each);
    lose_seat();
    for (auto& each : waiting) each.cancel();
    for (std::uint32_t i = 0; i < waiters; ++i) let_go_of(path("pipe", i));
    for (auto& each : waiting) each.join();
    all.join();
  });
}

class hand_over_stress : public ::testing::TestWithParam<reactor_kind> {};
INSTANTIATE_TEST_SUITE_P(on, hand_over_stress, ::testing::Values(reactor_kind::epoll, reactor_kind::io_uring),
                         [](const auto& each) { return each.param == reactor_kind::epoll ? "epoll" : "io_uring"; });

TEST_P(hand_over_stress, seats_change_hands_at_random_while_files_are_written_and_nothing_is_lost) {
  if (GetParam() == reactor_kind::io_uring && !io::make_io_uring_reactor()) GTEST_SKIP() << "no io_uring here";
  if (const char* given = std::getenv("WEFT_TEST_SEED")) {
    run_round(GetParam(), static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)));
    return;
  }
  const char* seconds = std::getenv("WEFT_STRESS_SECONDS");
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds{seconds ? std::atoi(seconds) : 2};
  auto before = open_descriptors();
  std::random_device seeds;
  do {
    run_round(GetParam(), seeds());
  } while (!HasFailure() && std::chrono::steady_clock::now() < end);
  EXPECT_EQ(open_descriptors(), before) << "a descriptor was leaked";
}

}  // namespace
}  // namespace weft
