#include <weft/sync/event.hpp>

namespace weft {

void event::set() noexcept {
  queue_.wake_all_if([this] {
    // release: publishes what was done before, to is_set()
    is_set_.store(true, std::memory_order_release);
    return true;
  });
}

void event::reset() noexcept {
  // relaxed: nothing to publish
  queue_.locked([this] { is_set_.store(false, std::memory_order_relaxed); });
}

void auto_reset_event::set() noexcept {
  // release: publishes what was done before, to try_wait()
  queue_.wake_one_or([this] { is_set_.store(true, std::memory_order_release); });
}

bool auto_reset_event::try_wait() noexcept {
  // relaxed: a look before the exchange, which others pay for
  if (!is_set_.load(std::memory_order_relaxed)) return false;
  // acquire: sees what was done before set()
  return is_set_.exchange(false, std::memory_order_acquire);
}

bool auto_reset_event::wait_operation::arm(wait_node& node) const noexcept {
  bool taken = false;
  auto is_ours = target_->queue_.arm(node, [&] { return taken = target_->try_wait(); });
  // Decided by others after it took what was set: it passes that on.
  if (taken && !is_ours) target_->set();
  return is_ours;
}

}  // namespace weft
