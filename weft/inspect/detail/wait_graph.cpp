#include "weft/inspect/detail/wait_graph.hpp"

#include <algorithm>

namespace weft::detail {

void wait_graph::add(const task_base* task, std::uint64_t number, std::vector<wait_case> cases) {
  index_.emplace(task, entries_.size());
  entries_.push_back({.number = number, .cases = std::move(cases)});
}

bool wait_graph::is_stuck(const task_base* task) const noexcept {
  auto found = index_.find(task);
  return found != index_.end() && entries_[found->second].is_stuck;
}

bool wait_graph::can_proceed(const entry& waiter) const noexcept {
  return waiter.cases.empty() || std::ranges::any_of(waiter.cases, [this](const wait_case& each) {
           return !each.is_known || std::ranges::none_of(each.needs, [this](auto* task) { return is_stuck(task); });
         });
}

/// Those that wait for a task that was taken out are looked at again.
void wait_graph::remove_unblocked() {
  std::vector<std::vector<std::size_t>> waiters(entries_.size());
  std::vector<std::size_t> worklist;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    worklist.push_back(i);
    for (const auto& each : entries_[i].cases) {
      for (const auto* task : each.needs) {
        if (auto found = index_.find(task); found != index_.end()) waiters[found->second].push_back(i);
      }
    }
  }
  while (!worklist.empty()) {
    auto next = worklist.back();
    worklist.pop_back();
    if (!entries_[next].is_stuck || !can_proceed(entries_[next])) continue;
    entries_[next].is_stuck = false;
    worklist.insert(worklist.end(), waiters[next].begin(), waiters[next].end());
  }
}

/// One that a stuck task waits for, and that is stuck too.
std::size_t wait_graph::next_of(const entry& waiter) const noexcept {
  for (const auto& each : waiter.cases) {
    for (const auto* task : each.needs) {
      if (is_stuck(task)) return index_.find(task)->second;
    }
  }
  return entries_.size();  // never: it would not be stuck
}

std::vector<std::vector<std::uint64_t>> wait_graph::cycles() {
  remove_unblocked();
  std::vector<std::vector<std::uint64_t>> found;
  std::size_t walk = 0;
  for (std::size_t start = 0; start < entries_.size(); ++start) {
    if (!entries_[start].is_stuck || entries_[start].seen_in_walk != 0) continue;
    ++walk;
    auto at = start;
    while (entries_[at].seen_in_walk == 0) {
      entries_[at].seen_in_walk = walk;
      at = next_of(entries_[at]);
    }
    if (entries_[at].seen_in_walk != walk) continue;  // it leads to a circle that was found before
    auto& cycle = found.emplace_back();
    for (auto member = at; cycle.empty() || member != at; member = next_of(entries_[member])) {
      cycle.push_back(entries_[member].number);
    }
  }
  return found;
}

}  // namespace weft::detail
