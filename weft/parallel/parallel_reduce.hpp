#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/base/containers.hpp>
#include <weft/parallel/detail/splitting.hpp>

namespace weft {

/// How parallel_reduce() groups the elements.
enum class reduce_order : bool {
  any,            ///< as the carriers come by them: floating-point results may differ from run to run
  deterministic,  ///< by their number alone: the same result in every run and on every machine
};

struct reduce_options {
  reduce_order order = reduce_order::any;
  std::size_t grain = 0;  ///< as in parallel_options; with reduce_order::deterministic it is a part of the grouping
};

namespace detail {

/// The size of a part where `count` elements, at least 1, are cut into `parts` or a few less: at least `least`.
[[nodiscard]] constexpr std::size_t part_of(std::size_t count, std::size_t parts, std::size_t least) noexcept {
  return std::max((count - 1) / parts + 1, least);
}

/// What all parts of a reduction share.
template <class I, class T, class Op>
struct reduction {
  I first;
  Op& op;

  [[nodiscard]] auto at(std::size_t index) const { return first + static_cast<std::iter_difference_t<I>>(index); }

  /// The elements of [begin, end), not empty, or of a part of it when the computation is stopped. Numbers in several
  /// sums at once, which the processor adds together.
  [[nodiscard]] T fold(std::size_t begin, std::size_t end) {
    if constexpr (std::is_arithmetic_v<T>) {
      constexpr std::size_t lanes = 16;
      if (end - begin >= 2 * lanes) return fold_in_lanes<lanes>(begin, end);
    }
    auto i = at(begin);
    T sum = *i;
    ++i;
    in_pieces(begin + 1, end, [&](std::size_t, std::size_t to) {
      for (auto stop = at(to); i != stop; ++i) sum = op(std::move(sum), *i);
    });
    return sum;
  }

 private:
  template <std::size_t Lanes>
  [[nodiscard]] T fold_in_lanes(std::size_t begin, std::size_t end) {
    std::array<T, Lanes> sums;
    auto i = at(begin);
    for (auto& sum : sums) sum = *i++;
    const auto left = (end - begin) % Lanes;
    in_pieces(begin + Lanes, end - left, [&](std::size_t from, std::size_t to) {
      for (; from != to; from += Lanes, i += Lanes) {
        for (std::size_t lane = 0; lane < Lanes; ++lane) {
          sums[lane] = op(sums[lane], i[static_cast<std::iter_difference_t<I>>(lane)]);
        }
      }
    });
    for (std::size_t lane = 0; lane < left; ++lane) {
      sums[lane] = op(sums[lane], i[static_cast<std::iter_difference_t<I>>(lane)]);
    }
    T total = sums[0];
    for (std::size_t lane = 1; lane < Lanes; ++lane) total = op(total, sums[lane]);
    return total;
  }
};

/// `part`, if any, and then `more`.
template <class T, class Op>
void append(std::optional<T>& part, std::optional<T>&& more, Op& op) {
  if (!more) return;
  if (part) {
    part = op(std::move(*part), std::move(*more));
  } else {
    part = std::move(more);
  }
}

template <class I, class T, class Op>
parallel_task<std::optional<T>> reduce_range(reduction<I, T, Op>* all, lazy_range range) {
  std::optional<T> sum, left, right;
  while (!range.empty() && !is_stopped()) {
    if (range.should_split()) {
      co_await fork(left, reduce_range<I, T, Op>, all, range.split());
      right = co_await call(reduce_range<I, T, Op>, all, range);
      co_await join();
      attempt([&] {
        append(sum, std::move(left), all->op);
        append(sum, std::move(right), all->op);
      });
      break;
    }
    attempt([&] {
      range.run_chunk(
          [&](std::size_t begin, std::size_t end) { append(sum, std::optional<T>{all->fold(begin, end)}, all->op); });
    });
  }
  co_return std::move(sum);
}

/// The same, halved until no part is larger than `grain`.
template <class I, class T, class Op>
parallel_task<std::optional<T>> reduce_tree(reduction<I, T, Op>* all, std::size_t begin, std::size_t end,
                                            std::size_t grain) {
  if (is_stopped()) co_return std::nullopt;
  std::optional<T> left, right;
  if (end - begin <= grain) {
    attempt([&] { left = all->fold(begin, end); });
    co_return std::move(left);
  }
  auto middle = begin + (end - begin) / 2;
  co_await fork(left, reduce_tree<I, T, Op>, all, begin, middle, grain);
  right = co_await call(reduce_tree<I, T, Op>, all, middle, end, grain);
  co_await join();
  attempt([&] { append(left, std::move(right), all->op); });
  co_return std::move(left);
}

}  // namespace detail

/// std::reduce: `init` and the elements of [first, last), combined by `op`, which is associative, and commutative where
/// T is a number; otherwise the order is kept. Runs, throws and is cancelled as the loops are (parallel_for.hpp).
template <std::random_access_iterator I, class T, class Op = std::plus<>>
[[nodiscard]] T parallel_reduce(I first, I last, T init, Op op = {}, reduce_options options = {}) {
  const auto count = detail::count_of(first, last);
  if (count == 0) return init;
  detail::reduction<I, T, Op> all{first, op};
  std::optional<T> sum;
  if (options.order == reduce_order::deterministic) {
    auto grain = options.grain != 0 ? options.grain : detail::part_of(count, 1024, 1024);
    sum = fork_join(detail::reduce_tree<I, T, Op>, &all, std::size_t{0}, count, grain);
  } else {
    sum = fork_join(detail::reduce_range<I, T, Op>, &all, detail::lazy_range{0, count, {.grain = options.grain}});
  }
  std::optional<T> result{std::move(init)};
  detail::append(result, std::move(sum), op);
  return std::move(*result);
}

/// The same from a value-initialized element on.
template <std::random_access_iterator I>
  requires std::default_initializable<std::iter_value_t<I>>
[[nodiscard]] std::iter_value_t<I> parallel_reduce(I first, I last, reduce_options options = {}) {
  return parallel_reduce(first, last, std::iter_value_t<I>{}, std::plus<>{}, options);
}

/// Whether an element of parallel_scan() takes part in what stands at its own place.
enum class scan_kind : bool { inclusive, exclusive };

namespace detail {

/// A scan in two passes over blocks: each block's sum, then, with what came before it, each block's elements.
template <class I, class O, class T, class Op>
struct scan {
  I first;
  O out;
  Op& op;
  scan_kind kind;
  std::size_t count, block;
  plain::vector<std::optional<T>> before;  // of each block: first its sum, then what comes before it

  [[nodiscard]] std::size_t begin_of(std::size_t number) const noexcept { return number * block; }
  [[nodiscard]] std::size_t end_of(std::size_t number) const noexcept { return std::min(count, (number + 1) * block); }

  void add_up(std::size_t number) {
    const auto begin = begin_of(number);
    T sum = first[static_cast<std::iter_difference_t<I>>(begin)];
    in_pieces(begin + 1, end_of(number), [&](std::size_t i, std::size_t to) {
      for (; i != to; ++i) sum = op(std::move(sum), first[static_cast<std::iter_difference_t<I>>(i)]);
    });
    before[number + 1] = std::move(sum);
  }

  void write(std::size_t number) {
    auto sum = before[number];
    in_pieces(begin_of(number), end_of(number), [&](std::size_t i, std::size_t to) {
      for (; i != to; ++i) {
        T element = first[static_cast<std::iter_difference_t<I>>(i)];  // a copy: `out` may be `first`
        auto& place = out[static_cast<std::iter_difference_t<O>>(i)];
        if (kind == scan_kind::exclusive) place = *sum;
        sum = sum ? op(std::move(*sum), std::move(element)) : std::move(element);
        if (kind == scan_kind::inclusive) place = *sum;
      }
    });
  }
};

template <class Scan>
parallel_task<> scan_blocks(Scan* all) {
  auto blocks = all->before.size() - 1;
  auto for_blocks = [](Scan* scan, void (Scan::*what)(std::size_t)) {
    return [scan, what](std::size_t begin, std::size_t end) {
      for (auto number = begin; number != end; ++number) (scan->*what)(number);
    };
  };
  auto add_up = for_blocks(all, &Scan::add_up), write = for_blocks(all, &Scan::write);
  co_await call(split_range<decltype(add_up)>, &add_up, lazy_range{0, blocks, {.grain = 1}});
  attempt([&] {
    for (std::size_t number = 1; number <= blocks && !is_stopped(); ++number) {
      auto sum = std::move(all->before[number]);
      all->before[number] = all->before[number - 1];
      append(all->before[number], std::move(sum), all->op);
    }
  });
  co_await call(split_range<decltype(write)>, &write, lazy_range{0, blocks, {.grain = 1}});
}

template <class I, class O, class T, class Op>
O scan_range(I first, I last, O out, Op& op, scan_kind kind, std::optional<T> init, parallel_options options) {
  const auto count = count_of(first, last);
  if (count == 0) return out;
  constexpr std::size_t usual_blocks = 256, most_blocks = 1024 * 1024;
  auto block = options.grain != 0 ? part_of(count, most_blocks, options.grain) : part_of(count, usual_blocks, 2048);
  scan<I, O, T, Op> all{first, out, op, kind, count, block, {}};
  all.before.resize((count - 1) / block + 2);
  all.before[0] = std::move(init);
  fork_join(scan_blocks<scan<I, O, T, Op>>, &all);
  return out + static_cast<std::iter_difference_t<O>>(count);
}

}  // namespace detail

/// std::inclusive_scan: out[i] = first[0] op ... op first[i]. `op` is associative. `out` may be `first`. Returns the
/// end of what was written. Runs, throws and is cancelled as the loops are (parallel_for.hpp).
template <std::random_access_iterator I, std::random_access_iterator O, class Op = std::plus<>>
O parallel_scan(I first, I last, O out, Op op = {}, parallel_options options = {}) {
  return detail::scan_range<I, O, std::iter_value_t<I>>(first, last, out, op, scan_kind::inclusive, std::nullopt,
                                                        options);
}

/// std::exclusive_scan, or std::inclusive_scan with a first value: out[i] = init op first[0] op ..., up to first[i - 1]
/// or first[i].
template <std::random_access_iterator I, std::random_access_iterator O, class T, class Op>
O parallel_scan(scan_kind kind, I first, I last, O out, T init, Op op, parallel_options options = {}) {
  return detail::scan_range<I, O, T>(first, last, out, op, kind, std::optional<T>{std::move(init)}, options);
}

}  // namespace weft
