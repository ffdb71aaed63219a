#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <type_traits>
#include <utility>

#include <weft/base/result.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/task.hpp>

namespace weft {

class once_flag;
template <class F>
[[nodiscard]] result<void> call_once(once_flag& flag, F&& f);
template <class F>
[[nodiscard]] task<result<void>> async_call_once(once_flag& flag, F f);

/// Whether something has been done that is done once: see call_once().
/// Lifetime: nobody uses it any more when it is destroyed.
class once_flag {
 public:
  [[nodiscard]] bool is_done() const noexcept {
    // acquire: sees what the call did
    return done_.load(std::memory_order_acquire);
  }

 private:
  template <class F>
  friend result<void> call_once(once_flag& flag, F&& f);
  template <class F>
  friend task<result<void>> async_call_once(once_flag& flag, F f);

  void set_done() noexcept {
    // release: publishes what the call did, to is_done()
    done_.store(true, std::memory_order_release);
  }

  std::atomic<bool> done_{false};  // written by who holds calling_
  mutex calling_;                  // held by who calls
};

/// Calls `f`, unless a call through this flag has returned before; waits while another one is under way. If `f` throws,
/// nothing is done: the exception goes to this caller, and the next one calls. Once done it costs one load.
/// Thread: any: tasks of either kind and plain OS threads.
/// Order: what `f` did is visible to all to whom this returns.
/// Parks.
/// Cancel: errc::cancelled or errc::timed_out while it waits for another's call: `f` was not called.
template <class F>
result<void> call_once(once_flag& flag, F&& f) {
  if (flag.is_done()) return {};
  if (auto held = await(flag.calling_.async_lock()); !held) return held;
  std::unique_lock lock{flag.calling_, std::adopt_lock};
  if (flag.is_done()) return {};
  std::invoke(std::forward<F>(f));
  flag.set_done();
  return {};
}

/// The same for coroutines. `f` may return a task, which is awaited.
/// Cancel: as call_once().
template <class F>
task<result<void>> async_call_once(once_flag& flag, F f) {
  if (flag.is_done()) co_return result<void>{};
  if (auto held = co_await flag.calling_.async_lock(); !held) co_return held;
  std::unique_lock lock{flag.calling_, std::adopt_lock};
  if (flag.is_done()) co_return result<void>{};
  if constexpr (requires { std::invoke(f).handle(); }) {
    co_await std::invoke(f);
  } else {
    std::invoke(f);
  }
  flag.set_done();
  co_return result<void>{};
}

}  // namespace weft
