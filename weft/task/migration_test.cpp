#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#include <weft/runtime/runtime.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "tests/support/mailbox.hpp"

// Virtual threads that park on one OS thread and wake on another, each time, at the worst moments: inside a catch
// block, in a destructor while an exception unwinds, with addresses of thread_local variables at hand. Also built with
// link-time optimisation by both compilers, and for arm64: see tests/stack/variants.

namespace weft {
namespace {

using testing::mailbox;

thread_local int variable_of_the_thread = 0;

// What a program has to do with what belongs to the OS thread and is used on both sides of a wait: compilers take it
// that a function never leaves its thread, and ask for the address of a thread_local, of errno, or for pthread_self()
// only once.
[[gnu::noinline]] int* address_of_variable() {
  asm volatile("" ::: "memory");
  return &variable_of_the_thread;
}
[[gnu::noinline]] int* address_of_errno() {
  asm volatile("" ::: "memory");
  return &errno;
}

[[gnu::noinline]] std::thread::id this_thread() {
  asm volatile("" ::: "memory");
  return std::this_thread::get_id();
}

/// A virtual thread, and a helper that keeps the other of two seats busy and wakes it there.
class two_threads {
 public:
  /// Runs `f` as the virtual thread.
  template <class F>
  static void run(F f) {
    runtime home{{.seats = 2, .watchdog = {.enabled = false}}};
    run_in(home, {}, [&] {
      two_threads self;
      auto helper = spawn([&] { self.help(); });
      f(self);
      self.finished_ = true;
      helper.join();
    });
  }

  /// Parks, and wakes on the other OS thread.
  void hop() {
    for (auto before = this_thread(); this_thread() == before;) {
      while (!helper_runs_) std::this_thread::yield();  // so it has the other seat
      wanted_ = true;
      EXPECT_TRUE(await(wake_up_.async_pick_up()));
      awake_ = true;
    }
    ++hops_;
    check_thread();
  }

  [[nodiscard]] int hops() const { return hops_; }

  /// What errno is on a thread that the virtual thread has left.
  static constexpr int of_helper = 1000;

 private:
  void help() {
    while (!finished_) {
      helper_runs_ = true;
      while (!wanted_ && !finished_) std::this_thread::yield();
      if (finished_) return;
      *address_of_errno() = of_helper;
      helper_runs_ = false;
      wanted_ = false;
      try {
        throw std::logic_error{"the helper's own"};
      } catch (const std::logic_error&) {
        // Whoever wakes meanwhile knows nothing of it.
        awake_ = false;
        wake_up_.leave();
        while (!awake_) yield();
        EXPECT_NE(std::current_exception(), nullptr);
      }
    }
  }

  /// Each OS thread has its own variables, and always the same.
  void check_thread() {
    auto [known, is_new] =
        variables_.emplace(this_thread(), variables{.plain = address_of_variable(), .error = address_of_errno()});
    EXPECT_EQ(known->second.plain, address_of_variable());
    EXPECT_EQ(known->second.error, address_of_errno());
    for (const auto& [other, its] : variables_) {
      if (other == this_thread()) continue;
      EXPECT_NE(its.plain, address_of_variable());
      EXPECT_NE(its.error, address_of_errno());
    }
  }

  struct variables {
    int* plain;
    int* error;
  };

  mailbox wake_up_;
  std::atomic<bool> helper_runs_{false}, wanted_{false}, awake_{false}, finished_{false};
  std::map<std::thread::id, variables> variables_;
  int hops_ = 0;
};

constexpr int rounds = 20;

TEST(migration, to_another_os_thread_changes_what_thread_local_variables_and_errno_are) {
  two_threads::run([](two_threads& self) {
    for (int i = 0; i < rounds; ++i) self.hop();
    EXPECT_EQ(self.hops(), rounds);
  });
}

// In functions that use errno on both sides of a wait, as a program writes it.
TEST(migration, keeps_errno_and_finds_that_of_the_thread_it_woke_on) {
  two_threads::run([](two_threads& self) {
    for (int i = 1; i <= rounds; ++i) {
      errno = i;
      self.hop();
      EXPECT_EQ(errno, i);
      errno = 0;
      EXPECT_EQ(std::strtol("99999999999999999999", nullptr, 10), std::numeric_limits<long>::max());
      EXPECT_EQ(errno, ERANGE);
    }
    EXPECT_EQ(self.hops(), rounds);
  });
}

TEST(migration, keeps_errno_from_others_that_run_meanwhile) {
  runtime home{{.seats = 2}};
  run_in(home, {}, [] {
    scope all;
    for (int i = 1; i <= 50; ++i) {
      all.spawn([i] {
        EXPECT_EQ(errno, 0);  // as a thread begins
        for (int round = 0; round < 20; ++round) {
          errno = i;
          yield();
          EXPECT_EQ(errno, i);
          static_cast<void>(sleep(std::chrono::microseconds{i}));
          EXPECT_EQ(errno, i);
        }
      });
      all.spawn([i]() -> task<> {
        EXPECT_EQ(errno, 0);
        for (int round = 0; round < 20; ++round) {
          errno = 1000 + i;
          co_await async_yield();
          EXPECT_EQ(errno, 1000 + i);
          static_cast<void>(co_await async_sleep(std::chrono::microseconds{i}));
          EXPECT_EQ(errno, 1000 + i);
        }
      });
    }
  });
  errno = 7;
  static_cast<void>(sleep(std::chrono::microseconds{1}));
  EXPECT_EQ(errno, 7);
}

TEST(migration, inside_a_catch_block_keeps_the_exception) {
  two_threads::run([](two_threads& self) {
    for (int i = 0; i < rounds; ++i) {
      bool rethrown = false;
      try {
        try {
          throw std::runtime_error{std::to_string(i)};
        } catch (const std::runtime_error& error) {
          EXPECT_EQ(std::uncaught_exceptions(), 0);
          self.hop();
          EXPECT_EQ(std::uncaught_exceptions(), 0);
          EXPECT_EQ(error.what(), std::to_string(i));
          throw;
        }
      } catch (const std::runtime_error& again) {
        rethrown = true;
        self.hop();
        EXPECT_EQ(again.what(), std::to_string(i));
      }
      EXPECT_TRUE(rethrown);
      EXPECT_EQ(std::current_exception(), nullptr);
    }
  });
}

TEST(migration, inside_nested_catch_blocks_keeps_all_exceptions) {
  two_threads::run([](two_threads& self) {
    for (int i = 0; i < rounds; ++i) {
      try {
        throw i;
      } catch (int outer) {
        self.hop();
        try {
          throw std::to_string(i);
        } catch (const std::string& inner) {
          self.hop();
          EXPECT_EQ(inner, std::to_string(i));
        }
        self.hop();
        EXPECT_EQ(outer, i);
        try {
          throw;
        } catch (int again) {
          EXPECT_EQ(again, i);
        }
      }
    }
  });
}

TEST(migration, while_an_exception_unwinds_keeps_it_under_way) {
  struct hops_when_left {
    explicit hops_when_left(two_threads& with) : self{with} {}
    ~hops_when_left() {
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      self.hop();
      EXPECT_EQ(std::uncaught_exceptions(), 1);
      try {
        throw 0;
      } catch (int) {
        self.hop();
        EXPECT_EQ(std::uncaught_exceptions(), 1);
      }
    }
    two_threads& self;
  };
  two_threads::run([](two_threads& self) {
    for (int i = 0; i < rounds; ++i) {
      try {
        hops_when_left first{self};
        hops_when_left second{self};
        throw i;
      } catch (int caught) {
        EXPECT_EQ(caught, i);
      }
      EXPECT_EQ(std::uncaught_exceptions(), 0);
    }
    EXPECT_EQ(self.hops(), 4 * rounds);
  });
}

TEST(migration, of_many_tasks_at_once_keeps_what_each_has_in_flight) {
  struct yields_when_left {
    ~yields_when_left() {
      yield();
      EXPECT_EQ(std::uncaught_exceptions(), 1);
    }
  };
  runtime home{{.seats = 4}};
  run_in(home, {}, [] {
    scope all;
    for (int i = 0; i < 100; ++i) {
      all.spawn([i] {
        for (int round = 0; round < 20; ++round) {
          try {
            yields_when_left at_end;
            throw i;
          } catch (int caught) {
            static_cast<void>(sleep(std::chrono::microseconds{i}));
            EXPECT_EQ(caught, i);
            try {
              throw;
            } catch (int again) {
              yield();
              EXPECT_EQ(again, i);
            }
          }
        }
      });
      // Coroutines cannot wait in a catch block; what they throw and catch in between disturbs nobody.
      all.spawn([i]() -> task<> {
        for (int round = 0; round < 20; ++round) {
          EXPECT_EQ(std::current_exception(), nullptr);
          try {
            co_await async_yield();
            throw i;
          } catch (int caught) {
            EXPECT_EQ(caught, i);
          }
          EXPECT_EQ(std::uncaught_exceptions(), 0);
        }
      });
    }
  });
}

}  // namespace
}  // namespace weft
