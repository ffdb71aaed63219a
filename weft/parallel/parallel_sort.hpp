#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>

#include <weft/parallel/detail/sequential_sort.hpp>
#include <weft/parallel/detail/splitting.hpp>

namespace weft {

namespace detail {

/// Below so many elements a part is sorted by one carrier.
inline constexpr std::ptrdiff_t sorted_by_one = 4096;

/// Quicksort: the parts on both sides of the pivot at the same time.
template <class I, class Less>
parallel_task<> quicksort(I first, I last, Less* less, int rounds_left) {
  while (last - first > sorted_by_one && rounds_left-- > 0 && !is_stopped()) {
    auto middle = first;
    attempt([&] { middle = partition_by_median(first, last, *less, is_stopped); });
    if (is_stopped()) break;
    co_await fork(quicksort<I, Less>, first, middle, less, rounds_left);
    first = middle + 1;
  }
  if (!is_stopped()) {
    attempt([&] {
      if (last - first > sorted_by_one) return heap_sort(first, last, *less, is_stopped);
      sort_alone(first, last, *less, rounds_left);
    });
  }
  co_await join();
}

// A merge that throws, or that was not begun, must lose nothing: each says whether its elements are where they are to
// be, and whoever waits for it moves them there where they are not.

/// Merges two sorted runs into `out`, moving. Of equal elements those of the first run come first.
template <class I, class O, class Less>
parallel_task<> merge_runs(I first1, I last1, I first2, I last2, O out, Less* less, bool* moved) {
  constexpr std::ptrdiff_t merged_by_one = 16 * 1024;
  if (is_stopped()) co_return;
  if ((last1 - first1) + (last2 - first2) <= merged_by_one) {
    *moved = true;
    attempt([&] { merge_moving(first1, last1, first2, last2, out, *less); });
    co_return;
  }
  I cut1 = first1, cut2 = first2;
  attempt([&] {
    auto by = [less](const auto& a, const auto& b) { return (*less)(a, b); };
    // Cut the longer run in the middle, and the other where that belongs.
    if (last1 - first1 >= last2 - first2) {
      cut1 += (last1 - first1) / 2;
      cut2 = std::lower_bound(first2, last2, *cut1, by);
    } else {
      cut2 += (last2 - first2) / 2;
      cut1 = std::upper_bound(first1, last1, *cut2, by);
    }
  });
  if (is_stopped()) co_return;
  auto out2 = out + ((cut1 - first1) + (cut2 - first2));
  bool moved1 = false, moved2 = false;
  try {
    co_await fork(merge_runs<I, O, Less>, first1, cut1, first2, cut2, out, less, &moved1);
    co_await call(merge_runs<I, O, Less>, cut1, last1, cut2, last2, out2, less, &moved2);
    co_await join();
  } catch (...) {
    fail_here();
  }
  if (!moved1 && !moved2) co_return;
  if (!moved1) std::move(first2, cut2, std::move(first1, cut1, out));
  if (!moved2) std::move(cut2, last2, std::move(cut1, last1, out2));
  *moved = true;
}

/// Where a merge sort leaves its elements.
enum class sorted_into : bool { place, buffer };

/// Merge sort of `count` elements at `first`, with as many places at `buffer`. The result is where `into` says; when
/// the computation is stopped, perhaps in its place all the same, and *in_buffer says where.
template <class I, class B, class Less>
parallel_task<> merge_sort(I first, B buffer, std::ptrdiff_t count, Less* less, sorted_into into, bool* in_buffer) {
  bool to_buffer = into == sorted_into::buffer;
  if (is_stopped()) co_return;
  if (count <= sorted_by_one) {
    attempt([&] { stable_sort_alone(first, buffer, count, *less); });
    if (to_buffer) std::move(first, first + count, buffer);
    *in_buffer = to_buffer;
    co_return;
  }
  auto half = count / 2;
  auto halves_into = to_buffer ? sorted_into::place : sorted_into::buffer;
  bool in_buffer1 = false, in_buffer2 = false, merged = false;
  try {
    co_await fork(merge_sort<I, B, Less>, first, buffer, half, less, halves_into, &in_buffer1);
    co_await call(merge_sort<I, B, Less>, first + half, buffer + half, count - half, less, halves_into, &in_buffer2);
    co_await join();
    if (to_buffer) {
      co_await call(merge_runs<I, B, Less>, first, first + half, first + half, first + count, buffer, less, &merged);
    } else if (in_buffer1 && in_buffer2) {
      co_await call(merge_runs<B, I, Less>, buffer, buffer + half, buffer + half, buffer + count, first, less, &merged);
    }
  } catch (...) {
    fail_here();
  }
  *in_buffer = to_buffer && merged;
  if (merged) co_return;
  if (in_buffer1) std::move(buffer, buffer + half, first);
  if (in_buffer2) std::move(buffer + half, buffer + count, first + half);
}

}  // namespace detail

/// std::sort. The elements are swapped, as std::sort does. A comparison that throws, or that is no strict weak order,
/// leaves the elements in some order, all there. Runs, throws and is cancelled as the loops are (parallel_for.hpp).
/// Source: quicksort with the partitioning of Edelkamp and Weiss, "BlockQuicksort: avoiding branch mispredictions in
/// quicksort", 2016; a part that was partitioned 2 log2(n) times before is sorted by heapsort.
template <std::random_access_iterator I, class Less = std::less<>>
void parallel_sort(I first, I last, Less less = {}) {
  if (detail::count_of(first, last) < 2) return;
  fork_join(detail::quicksort<I, Less>, first, last, &less, detail::most_rounds(last - first));
}

/// std::stable_sort, with room for as many elements again, which are default-constructible. As parallel_sort().
/// Throws std::bad_alloc when there is no room.
template <std::random_access_iterator I, class Less = std::less<>>
  requires std::default_initializable<std::iter_value_t<I>>
void parallel_stable_sort(I first, I last, Less less = {}) {
  const auto count = detail::count_of(first, last);
  if (count < 2) return;
  auto buffer = std::make_unique_for_overwrite<std::iter_value_t<I>[]>(count);
  bool in_buffer = false;
  fork_join(detail::merge_sort<I, std::iter_value_t<I>*, Less>, first, buffer.get(), static_cast<std::ptrdiff_t>(count),
            &less, detail::sorted_into::place, &in_buffer);
}

}  // namespace weft
