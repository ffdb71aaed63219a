#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <type_traits>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/parallel/detail/splitting.hpp>

namespace weft {

// The loops. What holds for all of them:
//
// They run on all compute carriers and return when all calls have. A virtual thread parks meanwhile, a compute carrier
// takes part, so that they nest; a plain OS thread outside of run() makes all calls itself. In which order the calls
// are made is not promised. An exception stops the calls that have not begun and is thrown here; of several one, and
// the rest are counted (compute_statistics).
// Parks.
// Cancel: calls that have not begun are left out, and std::system_error is thrown; the same when the deadline passes.
//   A loop that runs inside a call of another stops when that one does, whether by an exception or a cancel, and
//   throws std::system_error into the call; the outer one throws what stopped it.

namespace detail {

template <class I>
concept index = std::integral<I> && !std::same_as<std::remove_cv_t<I>, bool> && sizeof(I) <= sizeof(std::uint64_t);

/// `bound` as an I, which can hold every index there is unless that is negative.
template <index I, index Bound>
[[nodiscard]] constexpr I index_of(Bound bound) noexcept {
  if constexpr (std::unsigned_integral<I> && std::signed_integral<Bound>) {
    WEFT_CHECK(bound >= 0,
               "one bound of the range is negative and the other has an unsigned type: give both the same signed type");
  }
  return static_cast<I>(bound);
}

}  // namespace detail

/// Calls `body(i)` for every i in [first, last), of the type that both bounds convert to: negative indices are as good
/// as others where both bounds are signed. Where one is signed and the other is not, a negative one ends the program
/// with a message. A range that ends before it begins is empty.
template <detail::index First, detail::index Last, class F>
  requires std::invocable<F&, std::common_type_t<First, Last>>
void parallel_for(First first, Last last, F&& body, parallel_options options = {}) {
  using index = std::common_type_t<First, Last>;
  const auto from = detail::index_of<index>(first), to = detail::index_of<index>(last);
  if (from >= to) return;
  // As unsigned numbers, modulo their size: the distance may be more than a signed one can be.
  const auto count = static_cast<std::size_t>(to) - static_cast<std::size_t>(from);
  detail::for_range(0, count, options, [&body, from](std::size_t begin, std::size_t end) {
    const auto at = [from](std::size_t number) { return static_cast<index>(static_cast<std::size_t>(from) + number); };
    for (auto i = at(begin), stop = at(end); i != stop; ++i) body(i);
  });
}

/// A half-open range of indices.
struct index_range {
  constexpr index_range() = default;
  /// A negative bound ends the program with a message. A range that ends before it begins is empty.
  template <detail::index First, detail::index Last>
  constexpr index_range(First from, Last to) noexcept
      : first{detail::index_of<std::size_t>(from)}, last{detail::index_of<std::size_t>(to)} {}

  std::size_t first = 0, last = 0;
  [[nodiscard]] constexpr std::size_t size() const noexcept { return last > first ? last - first : 0; }
};

/// The sides of the blocks that parallel_for_2d() hands out; 0: 64.
struct block_options {
  std::size_t rows = 0, columns = 0;
};

/// Calls `body` with two index_range, of rows and of columns, for blocks that together are all of `rows` and `columns`,
/// so that a body that goes through a block finds what it touched in the cache.
template <std::invocable<index_range, index_range> F>
void parallel_for_2d(index_range rows, index_range columns, F&& body, block_options blocks = {}) {
  constexpr std::size_t usual_side = 64;
  auto height = blocks.rows != 0 ? blocks.rows : usual_side, width = blocks.columns != 0 ? blocks.columns : usual_side;
  auto cut = [](index_range all, std::size_t part, std::size_t number) {
    auto first = all.first + number * part;
    return index_range{first, first + std::min(part, all.last - first)};
  };
  if (rows.size() == 0 || columns.size() == 0) return;
  auto down = (rows.size() - 1) / height + 1, across = (columns.size() - 1) / width + 1;
  auto run = [&](std::size_t i, std::size_t j) { body(cut(rows, height, i), cut(columns, width, j)); };
  if (down <= std::numeric_limits<std::size_t>::max() / across) {
    return parallel_for(0, down * across, [&](std::size_t number) { run(number / across, number % across); });
  }
  // More blocks than can be numbered.
  parallel_for(0, down, [&](std::size_t i) { parallel_for(0, across, [&](std::size_t j) { run(i, j); }); });
}

/// std::for_each: calls `f(*i)` for every i in [first, last).
template <std::random_access_iterator I, class F>
  requires std::invocable<F&, std::iter_reference_t<I>>
void parallel_for_each(I first, I last, F f, parallel_options options = {}) {
  detail::for_range(0, detail::count_of(first, last), options, [&](std::size_t begin, std::size_t end) {
    using step = std::iter_difference_t<I>;
    for (auto i = first + static_cast<step>(begin), stop = first + static_cast<step>(end); i != stop; ++i) f(*i);
  });
}

/// std::transform: out[i] = f(first[i]). `out` may be `first`. Returns the end of what was written.
template <std::random_access_iterator I, std::random_access_iterator O, class F>
  requires std::indirectly_writable<O, std::indirect_result_t<F&, I>>
O parallel_transform(I first, I last, O out, F f, parallel_options options = {}) {
  auto count = detail::count_of(first, last);
  detail::for_range(0, count, options, [&](std::size_t begin, std::size_t end) {
    auto from = static_cast<std::iter_difference_t<I>>(begin), to = static_cast<std::iter_difference_t<I>>(end);
    std::transform(first + from, first + to, out + static_cast<std::iter_difference_t<O>>(begin), std::ref(f));
  });
  return out + static_cast<std::iter_difference_t<O>>(count);
}

/// std::transform of two ranges: out[i] = f(first1[i], first2[i]).
template <std::random_access_iterator I1, std::random_access_iterator I2, std::random_access_iterator O, class F>
  requires std::indirectly_writable<O, std::indirect_result_t<F&, I1, I2>>
O parallel_transform(I1 first1, I1 last1, I2 first2, O out, F f, parallel_options options = {}) {
  auto count = detail::count_of(first1, last1);
  detail::for_range(0, count, options, [&](std::size_t begin, std::size_t end) {
    auto from = static_cast<std::iter_difference_t<I1>>(begin), to = static_cast<std::iter_difference_t<I1>>(end);
    std::transform(first1 + from, first1 + to, first2 + static_cast<std::iter_difference_t<I2>>(begin),
                   out + static_cast<std::iter_difference_t<O>>(begin), std::ref(f));
  });
  return out + static_cast<std::iter_difference_t<O>>(count);
}

}  // namespace weft
