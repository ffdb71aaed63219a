#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <system_error>

#include <weft/parallel/computation.hpp>

namespace weft {

struct parallel_options {
  /// The fewest elements that are worth handing to another core; 0: found out while it runs.
  std::size_t grain = 0;
};

namespace detail {

// Lazy binary splitting (Tzannes, Caragea, Barua and Vishkin, "Lazy binary-splitting: a run-time adaptive work-stealing
// scheduler", 2010): a carrier works through its range from the front, a chunk at a time, and hands out half of what is
// left only while nothing else of its own can be stolen. So a range is split as often as somebody takes a part, not as
// often as it could be, and there is no grain to tune. A chunk is doubled until it takes some microseconds: long
// against a look at the deque, short against the wait of a thief.

/// What is left of a range, and how much of it comes next.
class lazy_range {
 public:
  lazy_range(std::size_t first, std::size_t last, parallel_options options) noexcept
      : first_{first}, last_{last}, chunk_{std::max<std::size_t>(1, options.grain)}, grows_{options.grain == 0} {}

  [[nodiscard]] bool empty() const noexcept { return first_ == last_; }
  [[nodiscard]] std::size_t first() const noexcept { return first_; }
  [[nodiscard]] std::size_t last() const noexcept { return last_; }

  /// Whether to hand out a half now.
  [[nodiscard]] bool should_split() const noexcept {
    const auto& worker = *this_compute_worker;
    return last_ - first_ > chunk_ && worker.offers_nothing() && worker.pool() && worker.pool()->most_carriers() > 1;
  }
  /// Cuts the first half off.
  [[nodiscard]] lazy_range split() noexcept {
    auto half = *this;
    half.last_ = first_ = first_ + (last_ - first_) / 2;
    return half;
  }

  /// Calls `work(begin, end)` for the next chunk.
  template <class F>
  void run_chunk(F&& work) {
    auto begin = first_;
    first_ += std::min(chunk_, last_ - first_);
    if (!grows_) return work(begin, first_);
    auto began = std::chrono::steady_clock::now();
    work(begin, first_);
    auto took = std::chrono::steady_clock::now() - began;
    grows_ = took < enough;
    if (took < enough / 2) chunk_ *= 2;
  }

 private:
  static constexpr std::chrono::microseconds enough{10};
  std::size_t first_, last_, chunk_;
  bool grows_;
};

/// How many compute carriers a computation that begins here may use.
[[nodiscard]] std::size_t carriers_here() noexcept;

/// Throws when the computation that the calling carrier works on was stopped.
void throw_if_stopped();

/// Of all carriers that work on a range: whether one has thrown, so that the others need not go on.
class shared_failure {
 public:
  [[nodiscard]] bool happened() const noexcept {
    // relaxed: a hint; the exception travels through join()
    return happened_.load(std::memory_order_relaxed);
  }
  /// Calls `work`; what it throws is noted.
  template <class F>
  void watch(F&& work) {
    try {
      work();
    } catch (...) {
      happened_.store(true, std::memory_order_relaxed);  // relaxed: as above
      throw;
    }
  }

 private:
  std::atomic<bool> happened_{false};
};

/// Calls `(*work)(begin, end)` for parts that together are `range`.
template <class F>
parallel_task<> split_range(F* work, shared_failure* failure, lazy_range range) {
  while (!range.empty() && !failure->happened()) {
    if (range.should_split()) {
      co_await fork(split_range<F>, work, failure, range.split());
      continue;
    }
    failure->watch([&] {
      throw_if_stopped();
      range.run_chunk(*work);
    });
  }
  co_await join();
}

/// Calls `work(begin, end)`, on all compute carriers, for parts that together are [first, last).
template <class F>
void for_range(std::size_t first, std::size_t last, parallel_options options, F&& work) {
  if (first >= last) return;
  shared_failure failure;
  fork_join(split_range<std::remove_reference_t<F>>, &work, &failure, lazy_range{first, last, options});
}

}  // namespace detail
}  // namespace weft
