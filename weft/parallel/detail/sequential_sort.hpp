#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>
#include <utility>

// What one carrier does of a sort. Unlike std::sort, none of it looks beyond the range when the comparison is no strict
// weak order, and when it throws every element is still there. What may be given a large range asks between pieces of
// its work whether it is to stop, `stopped()`, and leaves the elements in some order then.

namespace weft::detail {

/// After so many partitions quicksort gives up.
[[nodiscard]] constexpr int most_rounds(std::ptrdiff_t count) noexcept {
  return 2 * std::bit_width(static_cast<std::size_t>(count));
}

template <class I, class Less>
void insertion_sort(I first, I last, Less& less) {
  if (first == last) return;
  for (auto i = first + 1; i != last; ++i) {
    for (auto j = i; j != first && less(*j, *(j - 1)); --j) std::iter_swap(j, j - 1);
  }
}

template <class I, class Less>
void sort_three(I a, I b, I c, Less& less) {
  if (less(*b, *a)) std::iter_swap(a, b);
  if (less(*c, *b)) {
    std::iter_swap(b, c);
    if (less(*b, *a)) std::iter_swap(a, b);
  }
}

/// Brings a pivot to the front: the median of three, of many elements of three such medians.
template <class I, class Less>
void choose_pivot(I first, I last, Less& less) {
  constexpr std::ptrdiff_t many = 128;
  auto count = last - first;
  auto middle = first + count / 2;
  if (count > many) {
    sort_three(first, middle, last - 1, less);
    sort_three(first + 1, middle - 1, last - 2, less);
    sort_three(first + 2, middle + 1, last - 3, less);
    sort_three(middle - 1, middle, middle + 1, less);
  } else {
    sort_three(first, middle, last - 1, less);
  }
  std::iter_swap(first, middle);
}

/// The elements of one block that are on the wrong side of the pivot, by their distance from the block's beginning.
class misplaced {
 public:
  static constexpr std::ptrdiff_t block = 64;

  [[nodiscard]] bool empty() const noexcept { return next_ == count_; }
  [[nodiscard]] std::ptrdiff_t size() const noexcept { return count_ - next_; }
  [[nodiscard]] std::ptrdiff_t take() noexcept { return offsets_[static_cast<std::size_t>(next_++)]; }

  /// Looks at `length` elements. Without a branch that depends on them.
  template <class IsWrong>
  void find(std::ptrdiff_t length, IsWrong is_wrong) {
    next_ = count_ = 0;
    for (std::ptrdiff_t i = 0; i < length; ++i) {
      offsets_[static_cast<std::size_t>(count_)] = static_cast<std::uint8_t>(i);
      count_ += is_wrong(i) ? 1 : 0;
    }
  }

 private:
  std::array<std::uint8_t, block> offsets_;
  std::ptrdiff_t next_ = 0, count_ = 0;
};

/// Of what is small enough.
inline constexpr auto never_stopped = [] { return false; };

/// Partitions [first, last), at least 2 elements, by a pivot of its own, and returns where that is: what is before is
/// not greater, what is behind not less. Equal elements go to both sides. Stopped, it returns some place.
template <class I, class Less, class Stopped>
I partition_by_median(I first, I last, Less& less, Stopped stopped) {
  choose_pivot(first, last, less);
  auto&& pivot = *first;
  auto left = first + 1, right = last;  // what is not looked at yet, or belongs to a block that is
  misplaced on_left, on_right;
  constexpr int piece = 128;
  for (int blocks = 1; right - left > 2 * misplaced::block; ++blocks) {
    if (blocks % piece == 0 && stopped()) return left;
    if (on_left.empty()) on_left.find(misplaced::block, [&](auto i) { return !less(left[i], pivot); });
    if (on_right.empty()) on_right.find(misplaced::block, [&](auto i) { return !less(pivot, right[-1 - i]); });
    for (auto pairs = std::min(on_left.size(), on_right.size()); pairs > 0; --pairs) {
      std::iter_swap(left + on_left.take(), right - 1 - on_right.take());
    }
    if (on_left.empty()) left += misplaced::block;
    if (on_right.empty()) right -= misplaced::block;
  }
  // The rest, at most two blocks, one element at a time: a block with misplaced ones left is looked at once more.
  for (;;) {
    while (left < right && less(*left, pivot)) ++left;
    while (left < right && less(pivot, *(right - 1))) --right;
    if (right - left < 2) break;
    std::iter_swap(left++, --right);
  }
  if (left < right && !less(pivot, *left)) ++left;
  std::iter_swap(first, left - 1);
  return left - 1;
}

/// Builds the heap element by element: what is between two looks at `stopped` is small.
template <class I, class Less, class Stopped>
void heap_sort(I first, I last, Less& less, Stopped stopped) {
  constexpr std::ptrdiff_t piece = 1024;
  auto by = [&less](const auto& a, const auto& b) { return less(a, b); };
  for (auto end = first; end != last;) {
    std::push_heap(first, ++end, by);
    if ((end - first) % piece == 0 && stopped()) return;
  }
  for (auto end = last; end != first; --end) {
    std::pop_heap(first, end, by);
    if ((end - first) % piece == 0 && stopped()) return;
  }
}

template <class I, class Less>
void sort_alone(I first, I last, Less& less, int rounds_left) {
  constexpr std::ptrdiff_t few = 24;
  while (last - first > few) {
    if (rounds_left-- <= 0) return heap_sort(first, last, less, never_stopped);
    auto middle = partition_by_median(first, last, less, never_stopped);
    if (middle - first < last - middle) {
      sort_alone(first, middle, less, rounds_left);
      first = middle + 1;
    } else {
      sort_alone(middle + 1, last, less, rounds_left);
      last = middle;
    }
  }
  insertion_sort(first, last, less);
}

/// Merges two sorted runs into `out`, moving; of equal elements those of the first run come first. Where the comparison
/// throws, what is left is moved all the same.
template <class I1, class I2, class O, class Less>
void merge_moving(I1 first1, I1 last1, I2 first2, I2 last2, O out, Less& less) {
  // The second run may end where the output does: then it is in its place already once the first is used up.
  auto move_rest = [&] {
    out = std::move(first1, last1, out);
    if constexpr (std::is_same_v<I2, O>) {
      if (out == first2) return;
    }
    std::move(first2, last2, out);
  };
  try {
    while (first1 != last1 && first2 != last2) {
      bool second = less(*first2, *first1);
      *out++ = std::move(second ? *first2 : *first1);
      first2 += second ? 1 : 0;
      first1 += second ? 0 : 1;
    }
  } catch (...) {
    move_rest();
    throw;
  }
  move_rest();
}

/// Merge sort, in place, with `count` places at `buffer`.
template <class I, class B, class Less>
void stable_sort_alone(I first, B buffer, std::ptrdiff_t count, Less& less) {
  constexpr std::ptrdiff_t few = 32;
  if (count <= few) return insertion_sort(first, first + count, less);
  auto half = count / 2;
  stable_sort_alone(first, buffer, half, less);
  stable_sort_alone(first + half, buffer + half, count - half, less);
  if (!less(first[half], first[half - 1])) return;
  std::move(first, first + half, buffer);
  // Merged from the buffer and the second half: what is written never overtakes what is read of that.
  merge_moving(buffer, buffer + half, first + half, first + count, first, less);
}

}  // namespace weft::detail
