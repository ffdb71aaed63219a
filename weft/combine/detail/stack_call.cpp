#include <weft/combine/detail/stack_call.hpp>

#include <new>

#include <weft/combine/detail/pinned_operation.hpp>
#include <weft/task/detail/host.hpp>
#include <weft/task/spawn.hpp>

namespace weft::detail {

stack_call_base::~stack_call_base() {
  if (task_) task_->release();
}

std::error_code stack_call_base::begin(task_base& waiter) {
  auto* home = waiter.home_host() ? waiter.home_host() : host::current();
  WEFT_CHECK(home != nullptr, "it is called in a task of weft::run(), or in its plain form", "call", this);
  auto& stacks = home->stacks();
  auto slot = stacks.allocate();
  if (!slot) return slot.error();
  auto body = [this] { call(); };
  auto& made = spawned_virtual_thread<void, decltype(body)>::make(home, site_, **slot, body);
  made.set_deadline(waiter.deadline());
  try {
    inherit_side_record(made, represented_task(waiter));
  } catch (const std::bad_alloc&) {
    made.release();
    return std::make_error_code(std::errc::not_enough_memory);
  }
  made.give_handle();
  task_ = &made;
  home->schedule(made);
  return {};
}

bool stack_call_base::arm(wait_node& node) {
  if (!std::exchange(has_begun_, true)) {
    if (auto why = begin(static_cast<task_base&>(*node.task))) refuse(why);
  }
  return task_ ? task_->arm_end(node) : node.claim();
}

void stack_call_base::disarm(wait_node& node) noexcept {
  if (task_) task_->disarm_end(node);
}

bool stack_call_base::has_ended() const noexcept { return !task_ || task_->has_ended(); }

bool stack_call_base::request_cancel(wait_node& node, std::uint64_t epoch) noexcept {
  if (!task_) return true;
  task_->disarm_end(node);
  node.epoch = epoch;
  node.claimed = false;
  if (task_->arm_end(node)) return true;
  task_->cancel();
  return false;
}

void stack_call_base::describe(wait_description& into) const {
  if (!task_) return into.add(kind, "call", this);
  into.add_known(kind, "call", this, {task_});
}

}  // namespace weft::detail
