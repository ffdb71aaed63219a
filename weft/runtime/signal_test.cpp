#include <dirent.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include <weft/fs/file.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/mutex.hpp>

#include "tests/support/io_fixture.hpp"

// weft blocks no signal and handles none but those of a stack that overflows: a program's handlers are called as in any
// other, on whichever thread, and weft's waits go on afterwards.

namespace weft {
namespace {

using namespace testing;

std::atomic<int> handled{0};
static_assert(std::atomic<int>::is_always_lock_free);

/// While it lives, `number` is handled by `handler`, and interrupts system calls.
class handled_signal {
 public:
  handled_signal(int number, void (*handler)(int)) : number_{number} {
    struct sigaction action{};
    action.sa_handler = handler;
    action.sa_flags = SA_ONSTACK;  // and not SA_RESTART
    EXPECT_EQ(::sigaction(number, &action, &before_), 0);
  }
  ~handled_signal() {
    // Ignoring a signal discards it where it is still on its way to a thread.
    ::signal(number_, SIG_IGN);
    ::sigaction(number_, &before_, nullptr);
  }
  handled_signal(const handled_signal&) = delete;
  handled_signal& operator=(const handled_signal&) = delete;

 private:
  int number_;
  struct sigaction before_{};
};

/// Sends `number` to every other thread of the process, again and again, until it is told to stop.
class signal_storm {
 public:
  explicit signal_storm(int number)
      : thread_{[this, number] {
          // relaxed: only ends the loop
          while (!stopped_.load(std::memory_order_relaxed)) send_to_all(number);
        }} {}
  ~signal_storm() {
    // relaxed: see above
    stopped_.store(true, std::memory_order_relaxed);
    thread_.join();
  }
  signal_storm(const signal_storm&) = delete;
  signal_storm& operator=(const signal_storm&) = delete;

 private:
  static void send_to_all(int number) {
    auto self = ::syscall(SYS_gettid);
    auto* folder = ::opendir("/proc/self/task");
    while (auto* entry = ::readdir(folder)) {
      auto thread = std::atol(entry->d_name);
      // A thread that has ended meanwhile is no error.
      if (thread > 0 && thread != self) ::syscall(SYS_tgkill, ::getpid(), thread, number);
    }
    ::closedir(folder);
    std::this_thread::yield();
  }

  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

class signals : public io_test {};
WEFT_ON_EVERY_REACTOR(signals);

TEST_P(signals, in_a_storm_on_every_thread_interrupt_no_wait) {
  auto path = std::filesystem::temp_directory_path() / ("weft-signal-test-" + std::to_string(::getpid()));
  run([&] {
    handled_signal counted{SIGUSR1, [](int) { handled.fetch_add(1, std::memory_order_relaxed); }};  // relaxed: a count
    signal_storm storm{SIGUSR1};
    constexpr int rounds = 40;
    auto ends = connected_pair();
    channel<int> there{0}, back{0};
    mutex guard;
    int sections = 0;
    scope tasks;
    tasks.spawn([&] {
      for (int i = 0; i < rounds; ++i) EXPECT_TRUE(sleep(std::chrono::microseconds{200}));
    });
    tasks.spawn([&]() -> task<> {
      for (int i = 0; i < rounds; ++i) EXPECT_TRUE(co_await async_sleep(std::chrono::microseconds{200}));
    });
    tasks.spawn([&] {
      for (int i = 0; i < rounds; ++i) ASSERT_TRUE(ends.client.send_all(bytes_of("0123456789")));
      EXPECT_TRUE(ends.client.shutdown_send());
    });
    tasks.spawn([&] { EXPECT_EQ(recv_text(ends.server, 10 * rounds).size(), 10u * rounds); });
    tasks.spawn([&] {
      for (int value : there) EXPECT_TRUE(back.send(value));
    });
    tasks.spawn([&] {
      for (int i = 0; i < rounds; ++i) {
        EXPECT_TRUE(there.send(i));
        EXPECT_EQ(back.recv(), i);
      }
      there.close();
    });
    for (int i = 0; i < 4; ++i) {
      tasks.spawn([&] {
        for (int round = 0; round < rounds; ++round) {
          std::scoped_lock lock{guard};
          ++sections;
          yield();
        }
      });
    }
    tasks.spawn([&] {
      for (int i = 0; i < rounds; ++i) EXPECT_EQ(blocking([i] { return i; }), i);
    });
    tasks.spawn([&] {
      auto file = must(file::open(path, {.access = file_access::write, .creation = file_creation::when_missing}));
      for (int i = 0; i < rounds; ++i) EXPECT_EQ(file.write_at(bytes_of("x"), static_cast<std::uint64_t>(i)), 1u);
      EXPECT_TRUE(file.sync());
    });
    // Plain OS threads wait as well.
    tasks.spawn([&] {
      blocking([&] {
        for (int i = 0; i < rounds; ++i) EXPECT_TRUE(sleep(std::chrono::microseconds{200}));
      });
    });
    tasks.join();
    EXPECT_EQ(sections, 4 * rounds);
    EXPECT_GT(handled.load(), 0);
  });
  std::filesystem::remove(path);
}

int told_through = -1;

TEST_P(signals, that_ask_the_program_to_end_reach_its_handler) {
  for (int number : {SIGINT, SIGTERM}) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    told_through = ends[1];
    run([&] {
      // All that a handler may do: what is async-signal-safe, and nothing of weft's.
      handled_signal tells{number, [](int which) {
                             auto byte = static_cast<char>(which);
                             static_cast<void>(!::write(told_through, &byte, 1));
                           }};
      auto waiting = spawn([&] {
        return blocking([&] {
          char which = 0;
          while (::read(ends[0], &which, 1) != 1) {}  // EINTR: the handler may run on this very thread
          return static_cast<int>(which);
        });
      });
      run_until_parked(waiting);
      ::kill(::getpid(), number);
      EXPECT_EQ(waiting.join(), number);
    });
    ::close(ends[0]);
    ::close(ends[1]);
  }
}

TEST(signals_by_default, end_a_program_that_runs_weft) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (int number : {SIGINT, SIGTERM}) {
    EXPECT_EXIT(weft::run([&] {
                  ::kill(::getpid(), number);
                  static_cast<void>(sleep(std::chrono::hours{1}));
                }),
                ::testing::KilledBySignal(number), "");
  }
}

TEST(signals_by_default, are_blocked_for_tasks_as_they_are_for_who_calls_run) {
  sigset_t wanted, before;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR2);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &wanted, &before), 0);
  auto is_blocked = [](int number) {
    sigset_t present;
    EXPECT_EQ(::pthread_sigmask(SIG_BLOCK, nullptr, &present), 0);
    return sigismember(&present, number) == 1;
  };
  weft::run([&] {
    EXPECT_TRUE(is_blocked(SIGUSR2));
    EXPECT_FALSE(is_blocked(SIGUSR1));
    EXPECT_TRUE(blocking([&] { return is_blocked(SIGUSR2) && !is_blocked(SIGUSR1); }));
  });
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
}

}  // namespace
}  // namespace weft
