// Awaitables of another library, which keeps the handle of whoever waits and resumes it on a thread of its own.

#include "tests/support/task_fixture.hpp"

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <weft/runtime/runtime.hpp>
#include <weft/task/async_generator.hpp>
#include <weft/task/task.hpp>

namespace weft {
namespace {

/// The other library: one thread that resumes coroutines, first come, first served.
class other_library {
 public:
  ~other_library() {
    post(nullptr);
    thread_.join();
  }

  void post(std::coroutine_handle<> waiter) {
    std::lock_guard guard{mutex_};
    waiters_.push_back(waiter);
    changed_.notify_one();
  }

  [[nodiscard]] std::thread::id thread() const { return thread_.get_id(); }

  struct waits {
    explicit waits(other_library& by, int gives) : library{by}, value{gives} {}
    waits(const waits&) = delete;
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) { library.post(waiter); }
    [[nodiscard]] int await_resume() const noexcept { return value; }
    other_library& library;
    int value;
  };
  /// Suspends, is resumed by the library's thread, and gives `value`.
  [[nodiscard]] waits async_value(int value) { return waits{*this, value}; }

 private:
  void work() {
    for (;;) {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return !waiters_.empty(); });
      auto next = waiters_.front();
      waiters_.pop_front();
      lock.unlock();
      if (!next) return;
      next.resume();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::coroutine_handle<>> waiters_;
  std::thread thread_{[this] { work(); }};
};

task<int> sum_of_two(other_library& other) {
  int first = co_await other.async_value(3);
  co_return first + co_await other.async_value(4);
}

class foreign_waits : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(foreign_waits);

TEST_P(foreign_waits, of_a_coroutine_that_a_virtual_thread_awaits_give_their_value) {
  other_library other;
  run([&] { EXPECT_EQ(await(sum_of_two(other)), 7); });
}

TEST(foreign_waits, of_a_coroutine_that_an_os_thread_awaits_give_their_value) {
  other_library other;
  EXPECT_EQ(await(sum_of_two(other)), 7);
}

TEST_P(foreign_waits, of_a_spawned_coroutine_go_on_where_weft_runs_it) {
  other_library other;
  run([&] {
    auto coroutine = spawn([&]() -> task<int> {
      int sum = 0;
      for (int i = 0; i < 100; ++i) {
        sum += co_await other.async_value(i);
        EXPECT_NE(std::this_thread::get_id(), other.thread());
        EXPECT_NE(runtime::current(), nullptr);
        EXPECT_TRUE(co_await async_sleep(std::chrono::hours{1}));
      }
      co_return sum;
    });
    EXPECT_EQ(coroutine.join(), 4950);
  });
}

TEST_P(foreign_waits, are_waited_for_in_place_by_a_virtual_thread) {
  other_library other;
  run([&] {
    EXPECT_EQ(await(other.async_value(5)), 5);
    auto again = other.async_value(6);
    EXPECT_EQ(await(again), 6);
  });
  EXPECT_EQ(await(other.async_value(7)), 7);
}

TEST_P(foreign_waits, of_a_generator_give_each_element) {
  other_library other;
  auto numbers = [](other_library& from) -> async_generator<int> {
    for (int i = 0; i < 10; ++i) co_yield co_await from.async_value(i);
  };
  run([&] {
    auto asked_in_place = numbers(other);
    for (int i = 0; i < 10; ++i) {
      auto* element = asked_in_place.next();
      ASSERT_NE(element, nullptr);
      EXPECT_EQ(*element, i);
    }
    EXPECT_EQ(asked_in_place.next(), nullptr);
    spawn([&]() -> task<> {
      auto asked = numbers(other);
      for (int i = 0; i < 10; ++i) {
        auto* element = co_await asked.async_next();
        EXPECT_TRUE(element && *element == i);
      }
      EXPECT_EQ(co_await asked.async_next(), nullptr);
    }).join();
  });
}

TEST_P(foreign_waits, of_many_tasks_at_once_all_end) {
  other_library first, second;
  run([&] {
    scope all;
    for (int i = 0; i < 200; ++i) {
      all.spawn([&, i]() -> task<> {
        for (int round = 0; round < 50; ++round) {
          EXPECT_EQ(co_await first.async_value(i), i);
          EXPECT_EQ(co_await second.async_value(round), round);
          if (round % 8 == 0) co_await async_yield();
        }
      });
      all.spawn([&, i] {
        for (int round = 0; round < 10; ++round) EXPECT_EQ(await(first.async_value(i)), i);
      });
    }
  });
}

/// Another library's own kind of coroutine: lazy, resumes whoever awaits it.
class lazy {
 public:
  struct promise_type {
    [[nodiscard]] lazy get_return_object() { return lazy{std::coroutine_handle<promise_type>::from_promise(*this)}; }
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] auto final_suspend() const noexcept {
      struct to_waiter {
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> ended) const noexcept {
          return ended.promise().waiter;
        }
        void await_resume() const noexcept {}
      };
      return to_waiter{};
    }
    void return_value(int given) { value = given; }
    void unhandled_exception() { error = std::current_exception(); }
    std::coroutine_handle<> waiter;
    int value = 0;
    std::exception_ptr error;
  };
  explicit lazy(std::coroutine_handle<promise_type> coroutine) : coroutine_{coroutine} {}
  lazy(lazy&& other) noexcept : coroutine_{std::exchange(other.coroutine_, nullptr)} {}
  ~lazy() {
    if (coroutine_) coroutine_.destroy();
  }
  [[nodiscard]] auto operator co_await() && {
    struct awaiter {
      std::coroutine_handle<promise_type> coroutine;
      [[nodiscard]] bool await_ready() const noexcept { return false; }
      [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) const noexcept {
        coroutine.promise().waiter = waiter;
        return coroutine;
      }
      int await_resume() const {
        if (coroutine.promise().error) std::rethrow_exception(coroutine.promise().error);
        return coroutine.promise().value;
      }
    };
    return awaiter{coroutine_};
  }

 private:
  std::coroutine_handle<promise_type> coroutine_;
};

// It waits for weft's operations, and for its own library's.
lazy mixed(other_library& other, int rounds) {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) {
    static_cast<void>(co_await async_sleep(std::chrono::milliseconds{1}));
    sum += co_await other.async_value(i);
    static_cast<void>(co_await async_sleep(std::chrono::milliseconds{1}));
  }
  if (sum == 0) throw std::runtime_error{"nothing"};
  co_return sum;
}

// Not of the library's own waits: after one, such a coroutine runs on the library's thread.
lazy waits_for_weft_only() {
  for (int i = 0; i < 10; ++i) static_cast<void>(co_await async_sleep(std::chrono::hours{1}));
  co_return 10;
}

TEST_P(foreign_waits, of_another_librarys_coroutine_that_waits_for_wefts_operations_end_in_either_kind_of_task) {
  run([] {
    EXPECT_EQ(await(waits_for_weft_only()), 10);
    auto coroutine = spawn([]() -> task<int> { co_return co_await waits_for_weft_only(); });
    EXPECT_EQ(coroutine.join(), 10);
  });
}

TEST(foreign_waits, of_another_librarys_coroutine_that_moves_between_threads_end) {
  other_library other;
  runtime home{{.seats = 2}};
  run_in(home, {}, [&] {
    EXPECT_EQ(await(mixed(other, 5)), 10);
    auto coroutine = spawn([&]() -> task<int> { co_return co_await mixed(other, 5); });
    EXPECT_EQ(coroutine.join(), 10);
    EXPECT_THROW(await(mixed(other, 0)), std::runtime_error);
    auto throws = spawn([&]() -> task<int> { co_return co_await mixed(other, 0); });
    EXPECT_THROW(throws.join(), std::runtime_error);
  });
}

/// Does not suspend after all, is resumed at once, or throws.
struct odd {
  enum class way : std::uint8_t { does_not_suspend, resumes_at_once, throws };
  way how;
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) const {
    if (how == way::throws) throw std::logic_error{"refused"};
    if (how == way::does_not_suspend) return false;
    waiter.resume();
    return true;
  }
  [[nodiscard]] std::string await_resume() const { return "resumed"; }
};

TEST_P(foreign_waits, that_do_not_suspend_or_are_resumed_at_once_or_throw_are_as_anywhere) {
  run([] {
    EXPECT_EQ(await(odd{odd::way::does_not_suspend}), "resumed");
    EXPECT_EQ(await(odd{odd::way::resumes_at_once}), "resumed");
    EXPECT_THROW(await(odd{odd::way::throws}), std::logic_error);
    spawn([]() -> task<> {
      EXPECT_EQ(co_await odd{odd::way::does_not_suspend}, "resumed");
      EXPECT_EQ(co_await odd{odd::way::resumes_at_once}, "resumed");
      bool refused = false;
      try {
        static_cast<void>(co_await odd{odd::way::throws});
      } catch (const std::logic_error&) {
        refused = true;
      }
      EXPECT_TRUE(refused);
      co_await std::suspend_never{};
    }).join();
  });
}

TEST_P(foreign_waits, end_when_a_task_of_wefts_resumes_the_waiter) {
  // What such a library's mutex or queue does when it is used from weft's tasks.
  struct turnstile {
    std::atomic<void*> waiter{nullptr};
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> of) noexcept { waiter = of.address(); }
    void await_resume() const noexcept {}
    void open() { std::coroutine_handle<>::from_address(waiter.exchange(nullptr)).resume(); }
  };
  run([] {
    for (int i = 0; i < 100; ++i) {
      turnstile of_coroutine, of_virtual_thread;
      auto first = spawn([&]() -> task<> { co_await of_coroutine; });
      auto second = spawn([&] { await(of_virtual_thread); });
      while (!of_coroutine.waiter || !of_virtual_thread.waiter) yield();
      of_coroutine.open();
      of_virtual_thread.open();
      first.join();
      second.join();
    }
  });
}

}  // namespace
}  // namespace weft
