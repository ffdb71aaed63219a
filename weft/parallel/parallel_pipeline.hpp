#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <weft/base/containers.hpp>
#include <weft/parallel/detail/splitting.hpp>

namespace weft {

/// Whether a stage of a pipeline takes one element at a time, in the order of the source, or any, at the same time.
enum class stage_order : bool { ordered, unordered };

/// A stage: what it does to an element.
template <class F, stage_order Order>
struct pipeline_stage {
  F function;
};

/// A stage that gets the elements one at a time and in the order of the source: for files, sockets, running totals.
template <class F>
[[nodiscard]] pipeline_stage<F, stage_order::ordered> ordered(F function) {
  return {std::move(function)};
}

/// A stage that gets several elements at the same time, in any order: for what takes long.
template <class F>
[[nodiscard]] pipeline_stage<F, stage_order::unordered> unordered(F function) {
  return {std::move(function)};
}

struct pipeline_options {
  /// How many elements may be between the source and the end of the last stage; 0: four for each compute carrier.
  std::size_t most_in_flight = 0;
};

namespace detail {

/// The turns of an ordered stage, or of the source. An element whose turn has not come is left with the stage, and
/// whoever ends the turn before goes on with it: no carrier waits.
/// Thread: any.
template <class Element>
class turnstile {
 public:
  /// True: it is `number`'s turn. False: `element` has been left here.
  [[nodiscard]] bool enter(std::uint64_t number, Element& element) {
    std::lock_guard guard{mutex_};
    if (number == next_) return true;
    waiting_.emplace(number, std::move(element));
    return false;
  }
  /// The turn is over. The next element, if it has come already.
  [[nodiscard]] std::optional<Element> leave() {
    std::lock_guard guard{mutex_};
    auto found = waiting_.find(++next_);
    if (found == waiting_.end()) return std::nullopt;
    std::optional<Element> next{std::move(found->second)};
    waiting_.erase(found);
    return next;
  }

 private:
  std::mutex mutex_;  // guards all below
  std::uint64_t next_ = 0;
  plain::map<std::uint64_t, Element> waiting_;
};

/// What the stages from one on do with an element of type In.
template <class In, class... Stages>
class pipeline_rest;

template <class In>
class pipeline_rest<In> {
 public:
  /// How many elements have come through.
  [[nodiscard]] std::size_t accept(std::uint64_t, In) noexcept { return 1; }
};

template <class In, class F, stage_order Order, class... Rest>
class pipeline_rest<In, pipeline_stage<F, Order>, Rest...> {
  using out = std::invoke_result_t<F&, In>;
  using passed = value_or_unit<out>;

 public:
  explicit pipeline_rest(pipeline_stage<F, Order>& stage, Rest&... rest) : function_{stage.function}, rest_{rest...} {}

  [[nodiscard]] std::size_t accept(std::uint64_t number, In element) {
    if constexpr (Order == stage_order::unordered) {
      return rest_.accept(number, apply(std::move(element)));
    } else {
      if (!turns_.enter(number, element)) return 0;
      std::size_t through = 0;
      for (std::optional<In> mine{std::move(element)}; mine; ++number) {
        auto result = apply(std::move(*mine));
        mine = turns_.leave();  // another carrier may be in its turn from here on, or this one goes on
        through += rest_.accept(number, std::move(result));
      }
      return through;
    }
  }

 private:
  [[nodiscard]] passed apply(In element) {
    if constexpr (std::is_void_v<out>) {
      function_(std::move(element));
      return {};
    } else {
      return function_(std::move(element));
    }
  }

  F& function_;
  turnstile<In> turns_;
  pipeline_rest<passed, Rest...> rest_;
};

/// One pipeline under way. Lanes, at most one a carrier, take elements from the source and carry them through the
/// stages. An element that is left at a stage goes on with whoever has the turn before it. When as many are on their
/// way as may be, those who carry them suffice: the lane ends, and another is begun when there is room again.
template <class Source, class... Stages>
class pipeline {
 public:
  using element = typename std::invoke_result_t<Source&>::value_type;

  pipeline(Source& source, std::size_t most_in_flight, std::size_t most_lanes, Stages&... stages)
      : source_{source}, most_in_flight_{most_in_flight}, most_lanes_{most_lanes}, stages_{stages...} {}

  /// Carries one element as far as it goes. False: the lane ends.
  [[nodiscard]] bool carry_one() {
    bool carried = false;
    attempt([&] {
      auto taken = take();
      if (!taken) return;
      auto number = taken->first;
      auto through = stages_.accept(number, std::move(taken->second));
      std::lock_guard guard{mutex_};
      in_flight_ -= through;
      carried = true;
    });
    return carried;
  }

  /// Whether the caller is to begin one more lane.
  [[nodiscard]] bool add_lane() {
    std::lock_guard guard{mutex_};
    if (ended_ || lanes_ == most_lanes_ || in_flight_ == most_in_flight_) return false;
    ++lanes_;
    return true;
  }

 private:
  [[nodiscard]] std::optional<std::pair<std::uint64_t, element>> take() {
    std::lock_guard guard{mutex_};
    std::optional<element> taken;
    if (!ended_ && in_flight_ < most_in_flight_ && !is_stopped()) {
      taken = source_();
      ended_ = !taken;
    }
    if (!taken) {
      --lanes_;
      return std::nullopt;
    }
    ++in_flight_;
    return std::pair{next_++, std::move(*taken)};
  }

  std::mutex mutex_;  // guards the source and all below
  Source& source_;
  const std::size_t most_in_flight_, most_lanes_;
  std::size_t in_flight_ = 0, lanes_ = 1;
  std::uint64_t next_ = 0;
  bool ended_ = false;
  pipeline_rest<element, Stages...> stages_;
};

template <class Pipeline>
parallel_task<> pipeline_lane(Pipeline* all) {
  do {
    if (all->add_lane()) co_await fork(pipeline_lane<Pipeline>, all);
  } while (all->carry_one());
  co_await join();
}

}  // namespace detail

/// Takes elements from `source`, which returns a std::optional, empty at the end, and passes each through the stages,
/// made by ordered() and unordered(): what one returns is what the next is given. The source is called by one carrier
/// at a time. At most `most_in_flight` elements are on their way, so that a slow stage holds the source back and memory
/// is bounded. An exception stops the source and is thrown here; elements on their way may not arrive. Runs, throws and
/// is cancelled as the loops are (parallel_for.hpp).
template <class Source, class... F, stage_order... Order>
  requires std::invocable<Source&>
void parallel_pipeline(pipeline_options options, Source source, pipeline_stage<F, Order>... stages) {
  auto carriers = detail::carriers_here();
  auto most = options.most_in_flight != 0 ? options.most_in_flight : 4 * carriers;
  using pipeline = detail::pipeline<Source, pipeline_stage<F, Order>...>;
  pipeline all{source, most, std::min(most, carriers), stages...};
  fork_join(detail::pipeline_lane<pipeline>, &all);
}

}  // namespace weft
