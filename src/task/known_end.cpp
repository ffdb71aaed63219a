#include <weft/task/known_end.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include <weft/task/task_state.hpp>

namespace weft::detail {
namespace {

struct known_ends {
  std::mutex mutex;  // guards all
  std::map<std::pair<const void*, channel_side>, std::vector<const task_state*>> all;

  static known_ends& global() {
    static auto* made = new known_ends;  // never destroyed: OS threads end after everything else
    return *made;
  }
};

}  // namespace

void add_known_end(const void* object, channel_side side) {
  auto& ends = known_ends::global();
  std::lock_guard guard{ends.mutex};
  ends.all[{object, side}].push_back(&current_task());
}

void remove_known_end(const void* object, channel_side side) noexcept {
  auto& ends = known_ends::global();
  std::lock_guard guard{ends.mutex};
  auto found = ends.all.find({object, side});
  if (found == ends.all.end()) return;
  auto& tasks = found->second;
  if (auto own = std::ranges::find(tasks, &current_task()); own != tasks.end()) tasks.erase(own);
  if (tasks.empty()) ends.all.erase(found);
}

void describe_channel(wait_description& into, const void* object, channel_side side) {
  auto& ends = known_ends::global();
  std::lock_guard guard{ends.mutex};
  auto found = ends.all.find({object, side});
  if (found == ends.all.end()) return into.add(wait_kind::channel, "channel", object);
  // Any of them will do: a case each.
  for (const auto* task : found->second) into.add_known(wait_kind::channel, "channel", object, {task});
}

}  // namespace weft::detail
