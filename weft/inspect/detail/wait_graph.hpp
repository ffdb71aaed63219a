#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include <weft/task/detail/wait_description.hpp>

namespace weft::detail {

/// Who waits for whom, as one look has found it.
/// Thread: owner.
class wait_graph {
 public:
  /// `task`, known by `number`, waits without a deadline for any of `cases`.
  void add(const task_base* task, std::uint64_t number, std::vector<wait_case> cases);

  /// The circles of tasks that can only wait for each other: each for the next, the last for the first. A task is in
  /// one at the most.
  [[nodiscard]] std::vector<std::vector<std::uint64_t>> cycles();

 private:
  struct entry {
    std::uint64_t number;
    std::vector<wait_case> cases;
    bool is_stuck = true;
    std::size_t seen_in_walk = 0;
  };

  [[nodiscard]] bool is_stuck(const task_base* task) const noexcept;
  [[nodiscard]] bool can_proceed(const entry& waiter) const noexcept;
  void remove_unblocked();
  [[nodiscard]] std::size_t next_of(const entry& waiter) const noexcept;

  std::vector<entry> entries_;
  std::unordered_map<const task_base*, std::size_t> index_;
};

}  // namespace weft::detail
