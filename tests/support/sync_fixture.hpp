#pragma once

#include "tests/support/task_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weft/sync/mutex.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/task.hpp>

namespace weft::testing {

enum class waiter_kind { virtual_thread, coroutine, os_thread };

inline std::string to_string(waiter_kind kind) {
  switch (kind) {
    case waiter_kind::virtual_thread: return "virtual_thread";
    case waiter_kind::coroutine: return "coroutine";
    case waiter_kind::os_thread: return "os_thread";
  }
  return "";
}

/// Somebody who carries out one operation: a task of either kind or a plain OS thread, to be treated alike by tests.
template <class T>
class waiter {
 public:
  template <class Make>
  waiter(waiter_kind kind, duration limit, Make make) {
    switch (kind) {
      case waiter_kind::virtual_thread:
        task_ = spawn([limit, make] {
          deadline_scope until{limit};
          return await(make());
        });
        break;
      case waiter_kind::coroutine:
        task_ = spawn([limit, make]() -> task<T> {
          deadline_scope until{limit};
          co_return co_await make();
        });
        break;
      case waiter_kind::os_thread:
        thread_ = std::make_unique<os_thread>([limit, make] {
          std::optional<deadline_scope> until;
          // It waits in real time. What it waits for in vain does not come any more, so that little time is enough.
          if (limit != duration::max()) until.emplace(std::min<duration>(limit, std::chrono::milliseconds{1}));
          return await(make());
        });
        break;
    }
  }
  waiter(waiter&&) = default;

  void cancel() {
    if (thread_) {
      thread_->state().request_cancel();
    } else {
      task_.cancel();
    }
  }

  [[nodiscard]] bool is_parked() { return thread_ ? thread_->state().is_parked() : task_.is_parked(); }

  /// Exact, unlike a sleep.
  void run_until_parked() {
    while (!is_parked()) yield();
  }

  /// Waits for the operation's end.
  T outcome() { return thread_ ? thread_->outcome() : task_.join(); }

 private:
  class os_thread {
   public:
    template <class F>
    explicit os_thread(F f)
        : thread_{[this, f] {
            state_ = &detail::current_stack();
            outcome_.emplace(f());
            may_end_.acquire();
          }} {}
    ~os_thread() { end(); }
    detail::task_base& state() {
      while (!state_) yield();
      return *state_;
    }
    T outcome() {
      end();
      return std::move(*outcome_);
    }

   private:
    void end() {
      if (!thread_.joinable()) return;
      may_end_.release();
      blocking([this] { thread_.join(); });
    }

    std::atomic<detail::task_base*> state_{nullptr};
    std::optional<T> outcome_;
    std::binary_semaphore may_end_{0};  // the state lives as long as the thread
    std::thread thread_;
  };

  join_handle<T> task_;
  std::unique_ptr<os_thread> thread_;
};

/// A lock that is let go as soon as the wait for it is over, by the waiter: only the holder unlocks.
class section : public mutex::lock_operation {
 public:
  explicit section(mutex& guard, std::function<void()> inside = {})
      : lock_operation{guard}, guard_{&guard}, inside_{std::move(inside)} {}

  value_type take() {
    auto held = lock_operation::take();
    EXPECT_EQ(guard_->holder(), &detail::current_task());
    if (inside_) inside_();
    guard_->unlock();
    return held;
  }

 private:
  mutex* guard_;
  std::function<void()> inside_;
};

/// Runs each case for waiters of every kind, on one seat and on several, on the virtual clock.
class sync_test : public ::testing::TestWithParam<std::tuple<std::size_t, waiter_kind>> {
 public:
  static std::string name(const ::testing::TestParamInfo<ParamType>& each) {
    return "seats_" + std::to_string(std::get<0>(each.param)) + "_" + to_string(std::get<1>(each.param));
  }

 protected:
  template <class F>
  void run(F f) {
    run_on_virtual_clock(std::get<0>(GetParam()), std::move(f));
  }

  /// Somebody of the kind under test who carries out the operation that `make` makes.
  template <class Make>
  static auto start(Make make, duration limit = duration::max()) {
    return waiter<typename std::invoke_result_t<Make>::value_type>{std::get<1>(GetParam()), limit, make};
  }
  /// The same, already waiting.
  template <class Make>
  static auto start_parked(Make make) {
    auto started = start(make);
    started.run_until_parked();
    return started;
  }
};

}  // namespace weft::testing

#define WEFT_FOR_WAITERS_OF_EVERY_KIND(suite)                                                                 \
  INSTANTIATE_TEST_SUITE_P(each, suite,                                                                       \
                           ::testing::Combine(::testing::Values(std::size_t{1}, std::size_t{3}),              \
                                              ::testing::Values(::weft::testing::waiter_kind::virtual_thread, \
                                                                ::weft::testing::waiter_kind::coroutine,      \
                                                                ::weft::testing::waiter_kind::os_thread)),    \
                           ::weft::testing::sync_test::name)
