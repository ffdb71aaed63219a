#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iterator>

#include <weft/base/check.hpp>
#include <weft/compute/fork_join.hpp>
#include <weft/parallel/parallel_options.hpp>

namespace weft {

namespace detail {

// Lazy binary splitting (Tzannes, Caragea, Barua and Vishkin, "Lazy binary-splitting: a run-time adaptive work-stealing
// scheduler", 2010): a carrier works through its range from the front, a chunk at a time, and hands out half of what is
// left only while nothing else of its own can be stolen. So a range is split as often as somebody takes a part, not as
// often as it could be, and there is no grain to tune. A chunk is doubled until it takes some microseconds: long
// against a look at the deque, short against the wait of a thief. A grain keeps small parts together, and no more: what
// stops the loop is looked for after each chunk all the same.

/// What is left of a range, and how much of it comes next.
class lazy_range {
 public:
  lazy_range(std::size_t first, std::size_t last, parallel_options options) noexcept
      : first_{first}, last_{last}, grain_{options.grain}, chunk_{std::clamp<std::size_t>(grain_, 1, 1024)} {}

  [[nodiscard]] bool empty() const noexcept { return first_ == last_; }
  [[nodiscard]] std::size_t first() const noexcept { return first_; }
  [[nodiscard]] std::size_t last() const noexcept { return last_; }

  /// Whether to hand out a half now.
  [[nodiscard]] bool should_split() const noexcept {
    const auto& carrier = *this_compute_carrier;
    return last_ - first_ > std::max(chunk_, grain_) && carrier.offers_nothing() && carrier.pool() &&
           carrier.pool()->most_carriers() > 1;
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
  std::size_t first_, last_, grain_, chunk_;
  bool grows_ = true;
};

/// How many elements there are in [first, last).
template <std::random_access_iterator I>
[[nodiscard]] std::size_t count_of(I first, I last) {
  const auto count = last - first;
  WEFT_CHECK(count >= 0, "a range does not end before it begins: are the two iterators of one range, in this order?");
  return static_cast<std::size_t>(count);
}

/// How many compute carriers a computation that begins here may use.
[[nodiscard]] std::size_t carriers_here() noexcept;

// Each algorithm is one computation. What one of its parts throws stops it: the other parts look at that between two
// pieces of their work, as they do for a cancel, and end without a word; the computation throws it in the end. A
// computation that runs in a part of another is nested in that, and stops with it. It throws errc::cancelled then,
// which the outer one takes for what it is, and throws what stopped it.

/// Of a part of an algorithm that is to go on: whether it must not, since its computation was stopped, or one around
/// it.
[[nodiscard]] bool is_stopped() noexcept;

/// The same part is in a catch block: its computation throws what was caught, unless it has something to throw already.
void fail_here() noexcept;

/// Calls `work`, a piece of such a part, in which what it throws has its place.
template <class F>
void attempt(F&& work) noexcept {
  try {
    work();
  } catch (...) {
    fail_here();
  }
}

/// Calls `work(from, to)` for pieces of [begin, end), one after the other, until the computation is stopped.
template <class F>
void in_pieces(std::size_t begin, std::size_t end, F&& work) {
  constexpr std::size_t piece = 4096;
  while (begin != end && !is_stopped()) {
    auto from = begin;
    begin += std::min(piece, end - begin);
    work(from, begin);
  }
}

/// Calls `(*work)(begin, end)` for parts that together are `range`.
template <class F>
parallel_task<> split_range(F* work, lazy_range range) {
  while (!range.empty() && !is_stopped()) {
    if (range.should_split()) {
      co_await fork(split_range<F>, work, range.split());
      continue;
    }
    attempt([&] { range.run_chunk(*work); });
  }
  co_await join();
}

/// Calls `work(begin, end)`, on all compute carriers, for parts that together are [first, last).
template <class F>
void for_range(std::size_t first, std::size_t last, parallel_options options, F&& work) {
  if (first >= last) return;
  fork_join(split_range<std::remove_reference_t<F>>, &work, lazy_range{first, last, options});
}

}  // namespace detail
}  // namespace weft
