#include <weft/sync/channel_user.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include <weft/task/detail/task_base.hpp>

namespace weft::detail {
namespace {

struct channel_users {
  std::mutex mutex;  // guards all
  std::map<std::pair<const void*, channel_side>, std::vector<const task_base*>> all;

  static channel_users& global() {
    static auto* made = new channel_users;  // never destroyed: OS threads end after everything else
    return *made;
  }
};

}  // namespace

void add_channel_user(const void* object, channel_side side) {
  auto& ends = channel_users::global();
  std::lock_guard guard{ends.mutex};
  ends.all[{object, side}].push_back(&current_task());
}

void remove_channel_user(const void* object, channel_side side) noexcept {
  auto& ends = channel_users::global();
  std::lock_guard guard{ends.mutex};
  auto found = ends.all.find({object, side});
  if (found == ends.all.end()) return;
  auto& tasks = found->second;
  if (auto own = std::ranges::find(tasks, &current_task()); own != tasks.end()) tasks.erase(own);
  if (tasks.empty()) ends.all.erase(found);
}

void describe_channel(wait_description& into, const void* object, channel_side side) {
  auto& ends = channel_users::global();
  std::lock_guard guard{ends.mutex};
  auto found = ends.all.find({object, side});
  if (found == ends.all.end()) return into.add(wait_kind::channel, "channel", object);
  // Any of them will do: a case each.
  for (const auto* task : found->second) into.add_known(wait_kind::channel, "channel", object, {task});
}

}  // namespace weft::detail
