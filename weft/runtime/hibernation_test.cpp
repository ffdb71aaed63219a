#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weft/base/detail/block_cache.hpp>
#include <weft/base/random.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/stack/detail/instrumentation.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/event.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "tests/support/task_fixture.hpp"
#include "weft/stack/detail/page_fill.hpp"

namespace weft {
namespace {

using namespace std::chrono_literals;

/// Whether the page that `address` lies on takes memory.
bool is_resident(const void* address) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  unsigned char resident = 0;
  auto* begin = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(address) / page * page);
  EXPECT_EQ(mincore(begin, page, &resident), 0);
  return (resident & 1) != 0;
}

/// A variable that a compiler keeps in memory, on the stack that a sanitizer would move it from as well.
template <class T>
[[nodiscard]] T& in_memory(T& variable) {
  auto* address = &variable;
  asm volatile("" : "+r"(address) : : "memory");
  return *address;
}

/// How stacks come back.
enum class way_back : bool { behind_protection, in_whole_pages };

class hibernation : public ::testing::TestWithParam<std::tuple<std::size_t, way_back>> {
 protected:
  [[nodiscard]] static std::size_t seats() { return std::get<std::size_t>(GetParam()); }

  void SetUp() override {
    stack::page_fill::allow(std::get<way_back>(GetParam()) == way_back::in_whole_pages);
    if (auto why = stack::hibernation_obstacle(); !why.empty()) GTEST_SKIP() << why;
  }

  /// Runs `f` with the runtime, which puts nothing away by itself.
  template <class F>
  void run(F f, duration after = no_hibernation) {
    runtime home{{.seats = seats(), .hibernate_after = after}};
    run_in(home, {.name = "test"}, [&] { f(home); });
    home.shut_down();
    EXPECT_EQ(home.stacks().stats().in_use, 0u) << "a task was leaked";
  }
};

INSTANTIATE_TEST_SUITE_P(seats, hibernation,
                         ::testing::Combine(::testing::Values(std::size_t{1}, std::size_t{3}),
                                            ::testing::Values(way_back::behind_protection, way_back::in_whole_pages)),
                         [](const auto& each) {
                           const bool whole = std::get<way_back>(each.param) == way_back::in_whole_pages;
                           return std::to_string(std::get<0>(each.param)) +
                                  (whole ? "_in_whole_pages" : "_behind_protection");
                         });

/// Puts away everything that is parked, once `tasks` have parked.
template <class T>
std::size_t put_away(runtime& home, const std::vector<join_handle<T>>& tasks) {
  for (const auto& each : tasks) testing::run_until_parked(each);
  return home.hibernate_parked();
}

TEST_P(hibernation, a_task_that_was_put_away_finds_its_stack_as_it_was_when_it_wakes) {
  run([](runtime& home) {
    constexpr int count = 300;
    channel<int> values{count};
    std::vector<join_handle<std::uint64_t>> tasks;
    for (int i = 0; i < count; ++i) {
      tasks.push_back(spawn([&values, i] {
        std::array<std::uint64_t, 40> numbers;
        for (auto& each : numbers)
          each = static_cast<std::uint64_t>(i) * 1'000'003 + static_cast<std::uint64_t>(&each - numbers.data());
        std::string name = "number " + std::to_string(i);
        static_cast<void>(in_memory(numbers));
        std::uint64_t sum = static_cast<std::uint64_t>(values.recv().value());
        for (auto each : in_memory(numbers)) sum += each;
        EXPECT_EQ(name, "number " + std::to_string(i));
        return sum - 40 * static_cast<std::uint64_t>(i) * 1'000'003 - 39 * 40 / 2;
      }));
    }
    const auto before = home.hibernation().brought_back;
    EXPECT_EQ(put_away(home, tasks), static_cast<std::size_t>(count));
    EXPECT_EQ(home.hibernate_parked(), 0u) << "they are away already";
    for (int i = 0; i < count; ++i) static_cast<void>(values.send(7));
    for (auto& each : tasks) EXPECT_EQ(each.join(), 7u);
    EXPECT_GE(home.hibernation().brought_back - before, static_cast<std::uint64_t>(count));
  });
}

TEST_P(hibernation, everything_comes_back_where_much_of_a_stack_is_live) {
  run([](runtime& home) {
    event go;
    std::vector<join_handle<std::size_t>> tasks;
    for (std::size_t i = 0; i < 20; ++i) {
      tasks.push_back(spawn([&go, i] {
        std::array<std::uint32_t, 8'000> numbers{};  // eight pages, of which some stay zero
        for (std::size_t j = 0; j < numbers.size(); j += j < 3'000 ? 1 : 1'500) {
          numbers[j] = static_cast<std::uint32_t>(i * j + 1);
        }
        static_cast<void>(in_memory(numbers));
        go.wait().value();
        std::size_t right = 0;
        for (std::size_t j = 0; j < numbers.size(); ++j) {
          const bool was_set = j < 3'000 || j % 1'500 == 0;
          right += in_memory(numbers)[j] == (was_set ? i * j + 1 : 0) ? 1 : 0;
        }
        return right;
      }));
    }
    EXPECT_EQ(put_away(home, tasks), tasks.size());
    go.set();
    for (auto& each : tasks) EXPECT_EQ(each.join(), 8'000u);
  });
}

TEST_P(hibernation, a_stack_that_was_put_away_takes_no_memory) {
  run([](runtime& home) {
    event go;
    std::atomic<const int*> local{nullptr};
    std::vector<join_handle<void>> tasks;
    tasks.push_back(spawn([&] {
      alignas(64) int value = 1;
      // Below what is live when it parks, deep enough that it is on other pages.
      std::array<char, 20'000> deep{};
      in_memory(deep)[0] = 1;
      local = &in_memory(value);
      go.wait().value();
    }));
    testing::run_until_parked(tasks[0]);
    const bool on_its_stack = is_resident(local.load());
    EXPECT_TRUE(on_its_stack);
    EXPECT_EQ(home.hibernate_parked(), 1u);
    if constexpr (!stack::instrumented) {
      EXPECT_FALSE(is_resident(local.load()));
    }
    go.set();
    tasks[0].join();
  });
}

TEST_P(hibernation, others_read_and_write_the_variables_of_a_task_that_is_put_away) {
  run([](runtime& home) {
    event go;
    std::atomic<std::array<int, 3>*> shared{nullptr};
    std::vector<join_handle<int>> tasks;
    tasks.push_back(spawn([&] {
      std::array<int, 3> values{1, 2, 3};
      shared = &in_memory(values);
      go.wait().value();
      return in_memory(values)[0] + values[1] + values[2];
    }));
    EXPECT_EQ(put_away(home, tasks), 1u);
    spawn([&] { EXPECT_EQ((*shared)[1], 2); }).join();
    EXPECT_EQ(put_away(home, tasks), 1u);
    spawn([&] { (*shared)[1] = 20; }).join();
    EXPECT_EQ(put_away(home, tasks), 1u);
    std::thread{[&] { (*shared)[2] = 300; }}.join();
    go.set();
    EXPECT_EQ(tasks[0].join(), 321);
  });
}

TEST_P(hibernation, a_cancel_or_a_deadline_wakes_a_task_that_is_put_away) {
  run([](runtime& home) {
    event never;
    std::vector<join_handle<result<void>>> tasks;
    tasks.push_back(spawn([&] { return never.wait(); }));
    tasks.push_back(spawn([&] {
      deadline_scope soon{1ms};
      return never.wait();
    }));
    tasks.push_back(spawn([] { return sleep(1ms); }));
    testing::run_until_parked(tasks[0]);
    home.hibernate_parked();
    tasks[0].cancel();
    EXPECT_EQ(tasks[0].join().error(), errc::cancelled);
    EXPECT_EQ(tasks[1].join().error(), errc::timed_out);
    EXPECT_TRUE(tasks[2].join());
  });
}

TEST_P(hibernation, an_exception_that_is_being_handled_survives_being_put_away) {
  run([](runtime& home) {
    event go;
    std::vector<join_handle<std::string>> tasks;
    tasks.push_back(spawn([&]() -> std::string {
      try {
        throw std::runtime_error{"kept"};
      } catch (const std::exception& error) {
        go.wait().value();
        return error.what();
      }
    }));
    EXPECT_EQ(put_away(home, tasks), 1u);
    go.set();
    EXPECT_EQ(tasks[0].join(), "kept");
  });
}

TEST_P(hibernation, a_task_whose_stack_others_hand_to_the_kernel_stays) {
  run([](runtime& home) {
    event go;
    std::vector<join_handle<void>> tasks;
    tasks.push_back(spawn([&] { blocking([&] { std::thread{[&] { go.wait().value(); }}.join(); }); }));
    tasks.push_back(spawn([&] {
      scope children;
      children.spawn([&] { go.wait().value(); });
      children.join();
    }));
    // The child, which only waits, is the only one that goes.
    EXPECT_LE(put_away(home, tasks), 1u);
    go.set();
    for (auto& each : tasks) each.join();
  });
}

[[gnu::noinline]] int use_much_stack() {
  std::array<char, 100'000> deep;
  deep.fill(1);
  return static_cast<int>(std::count(deep.begin(), in_memory(deep).end(), 1));
}

TEST_P(hibernation, memory_below_a_stack_that_was_brought_back_can_be_used) {
  run([](runtime& home) {
    event go;
    std::vector<join_handle<int>> tasks;
    tasks.push_back(spawn([&] {
      go.wait().value();
      return use_much_stack();
    }));
    EXPECT_EQ(put_away(home, tasks), 1u);
    go.set();
    EXPECT_EQ(tasks[0].join(), 100'000);
  });
}

TEST_P(hibernation, the_child_of_a_fork_has_its_own_copy_of_what_was_put_away) {
  if constexpr (stack::instrumented) GTEST_SKIP() << "the sanitizers do not support a fork with threads";
  run([](runtime& home) {
    event go;
    std::atomic<int*> shared{nullptr};
    std::vector<join_handle<int>> tasks;
    tasks.push_back(spawn([&] {
      int value = 5;
      shared = &in_memory(value);
      go.wait().value();
      return in_memory(value);
    }));
    EXPECT_EQ(put_away(home, tasks), 1u);
    const pid_t child = fork();
    if (child == 0) {
      const bool right = *shared == 5;
      *shared = 6;
      _exit(right && *shared == 6 ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    go.set();
    EXPECT_EQ(tasks[0].join(), 5) << "the child wrote to the parent's memory";
  });
}

/// Spins until `condition` holds: for what a thread does that nobody can wait for.
template <class F>
void spin_until(F condition) {
  while (!condition()) std::this_thread::yield();
}

TEST_P(hibernation, tasks_that_stay_parked_are_put_away_and_then_the_thread_sleeps_until_something_runs) {
  constexpr std::size_t count = 100;
  event go;
  std::atomic<std::size_t> woken{0};
  runtime home{{.seats = seats(), .hibernate_after = 1ms}};
  run_in(home, {}, [&] {
    for (std::size_t i = 0; i < count; ++i) {
      spawn([&] {
        go.wait().value();
        ++woken;
      }).detach();
    }
  });
  spin_until([&] { return home.hibernation().put_away >= count && home.hibernation().asleep; });
  // More than there are when detach() was late and touched one that had gone already.
  const auto put_away = home.hibernation().put_away;
  const auto looks = home.hibernation().looks;

  run_in(home, {}, [] {});
  spin_until([&] { return home.hibernation().looks > looks && home.hibernation().asleep; });
  EXPECT_EQ(home.hibernation().put_away, put_away) << "none goes twice while nothing touches it";
  EXPECT_LE(home.hibernation().looks, looks + 4) << "it looks once or twice after something ran";

  run_in(home, {}, [&] { go.set(); });
  spin_until([&] { return woken == count; });
}

TEST_P(hibernation, does_nothing_by_itself_when_it_is_switched_off) {
  runtime home{{.seats = seats(), .hibernate_after = no_hibernation}};
  run_in(home, {}, [] { sleep(5ms).value(); });
  EXPECT_EQ(home.hibernation().looks, 0u);
  EXPECT_EQ(home.hibernation().put_away, 0u);
}

void ignore(int, siginfo_t*, void*) { _exit(9); }

TEST_P(hibernation, brings_all_back_and_says_so_when_the_program_takes_the_signal_for_itself) {
  EXPECT_EXIT(
      {
        run([](runtime& home) {
          event go;
          std::atomic<int*> shared{nullptr};
          std::vector<join_handle<void>> tasks;
          tasks.push_back(spawn([&] {
            int value = 5;
            shared = &in_memory(value);
            go.wait().value();
          }));
          if (put_away(home, tasks) != 1) _exit(1);
          struct sigaction own{};
          own.sa_sigaction = &ignore;
          own.sa_flags = SA_SIGINFO;
          sigaction(SIGSEGV, &own, nullptr);
          if (home.hibernate_parked() != 0 || home.hibernation().obstacle.empty()) _exit(2);
          _exit(*shared == 5 ? 0 : 3);
        });
      },
      ::testing::ExitedWithCode(0), "");
}

/// A task that mostly waits, and whose variables others change meanwhile.
struct patient {
  static constexpr int hammers = 4;
  channel<int> tokens{1'000};
  std::atomic<std::array<std::uint64_t, hammers>*> plain{nullptr};
  std::atomic<std::atomic<std::uint64_t>*> counter{nullptr};
  std::uint64_t received = 0, plain_sum = 0, counted = 0;

  void live() {
    std::array<std::uint64_t, hammers> own_plain{};
    std::atomic<std::uint64_t> own_counter{0};
    plain = &in_memory(own_plain);
    counter = &own_counter;
    while (auto token = tokens.recv()) received += static_cast<std::uint64_t>(*token);
    for (auto each : in_memory(own_plain)) plain_sum += each;
    counted = own_counter;
  }
};

/// What all who change the variables of patients have done.
struct blows {
  std::atomic<std::uint64_t> dealt{0}, sent{0};
};

/// Changes the variables of `all`, at random, and wakes one now and then; until enough stacks were put away.
void hammer(runtime& home, std::vector<patient>& all, std::size_t self, std::uint32_t seed, blows& counts) {
  constexpr std::uint64_t enough = stack::instrumented ? 500 : 5'000;
  base::random random{seed};
  for (int i = 0; i < 1'000 || home.hibernation().put_away < enough; ++i) {
    auto& one = all[random.below(static_cast<std::uint32_t>(all.size()))];
    (*one.plain)[self] += 1;
    ++*one.counter;
    ++counts.dealt;
    if (random.below(4) == 0) {
      one.tokens.send(3).value();
      counts.sent += 3;
    }
    if (random.below(8) == 0) yield();
  }
}

// Everything at once: tasks park and wake, others write to their variables meanwhile, and whatever is parked is put
// away all the time. Every count has to come out exactly.
TEST_P(hibernation, nothing_is_lost_while_stacks_are_put_away_and_brought_back_all_the_time) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::vector<patient> all(40);
  blows counts;
  std::atomic<bool> stop{false};
  run(
      [&](runtime& home) {
        std::thread putter{[&] {
          while (!stop) home.hibernate_parked();
        }};
        scope patients;
        for (auto& each : all) patients.spawn([&each] { each.live(); });
        for (auto& each : all) {
          while (each.counter == nullptr) yield();
        }
        {
          scope hammers;
          for (std::size_t i = 0; i + 1 < patient::hammers; ++i) {
            hammers.spawn([&, i] { hammer(home, all, i, seed + static_cast<std::uint32_t>(i), counts); });
          }
          blocking([&] { hammer(home, all, patient::hammers - 1, seed + 99, counts); });
        }
        for (auto& each : all) each.tokens.close();
        patients.join();
        stop = true;
        putter.join();
      },
      duration::zero());
  std::uint64_t received = 0, plain_sum = 0, counted = 0;
  for (const auto& each : all) {
    received += each.received;
    plain_sum += each.plain_sum;
    counted += each.counted;
  }
  EXPECT_EQ(received, counts.sent.load());
  EXPECT_EQ(counted, counts.dealt.load());
  EXPECT_EQ(plain_sum, counts.dealt.load());
}

/// In coroutines that wait for a value, all at the same time.
void make_a_peak_of_coroutines(int count) {
  channel<int> values{0};
  scope all;
  std::atomic<int> begun{0};
  for (int i = 0; i < count; ++i) {
    all.spawn([&]() -> task<> {
      begun.fetch_add(1, std::memory_order_relaxed);  // relaxed: only a count
      static_cast<void>(co_await values.async_recv());
    });
  }
  while (begun != count) yield();
  values.close();
  all.join();
}

class memory_of_coroutines : public ::testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override {
    base::release_block(base::allocate_block(1), 1);
    if (base::blocks().reserved_bytes == 0) GTEST_SKIP() << "under a sanitizer frames come from operator new";
  }
  static constexpr int count = 100'000;
  // Of what 100,000 take, some 45 MB.
  static constexpr std::size_t peak_bytes = std::size_t{30} << 20, some_bytes = std::size_t{8} << 20;
};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(memory_of_coroutines);

TEST_P(memory_of_coroutines, goes_back_when_nobody_has_needed_it_between_two_looks) {
  runtime home{{.seats = GetParam(), .hibernate_after = 1ms}};
  run_in(home, {.name = "test"}, [&] {
    const auto before = base::blocks().resident_bytes;
    make_a_peak_of_coroutines(count);
    // One look finds that it is idle, the next one that it still is, and one may have been under way.
    blocking([&] {
      const auto looks = home.hibernation().looks;
      spin_until([&] {
        return base::blocks().resident_bytes <= before + some_bytes || home.hibernation().looks > looks + 10;
      });
    });
    EXPECT_LE(base::blocks().resident_bytes, before + some_bytes);
  });
}

TEST_P(memory_of_coroutines, stays_while_it_is_needed_again_and_again) {
  runtime home{{.seats = GetParam(), .hibernate_after = 1h}};
  run_in(home, {.name = "test"}, [&] {
    make_a_peak_of_coroutines(count);
    const auto taken = base::blocks().resident_bytes;
    EXPECT_GE(taken, peak_bytes);
    const auto reserved = base::blocks().reserved_bytes;
    for (int i = 0; i < 3; ++i) make_a_peak_of_coroutines(count);
    EXPECT_LE(base::blocks().reserved_bytes, reserved + some_bytes);
  });
}

TEST_P(memory_of_coroutines, goes_back_when_the_runtime_ends) {
  const auto before = base::blocks().resident_bytes;
  {
    runtime home{{.seats = GetParam(), .hibernate_after = no_hibernation}};
    run_in(home, {.name = "test"}, [&] {
      make_a_peak_of_coroutines(count);
      EXPECT_GE(base::blocks().resident_bytes, peak_bytes);
    });
  }
  EXPECT_LE(base::blocks().resident_bytes, before + some_bytes);
}

}  // namespace
}  // namespace weft
