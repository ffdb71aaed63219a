#include <weft/sync/detail/wait_list.hpp>

#include <weft/task/detail/task_base.hpp>

namespace weft::detail {
namespace {

constinit base::spin_lock dismissal_lock;  // guards batch_wakers::call::dismissed; taken before an object's lock

}  // namespace

void batch_wakers::continue_waking(call& self, base::spin_lock& lock,
                                   bool (*wake_batch)(void* batch, woken_waiters& woken), void* batch) noexcept {
  for (;;) {
    let_others_run();
    woken_waiters woken;
    std::unique_lock dismissal{dismissal_lock};
    if (self.dismissed) return;
    std::lock_guard guard{lock};
    dismissal.unlock();
    if (wake_batch(batch, woken)) return base::intrusive_list<call>::remove(self);
  }
}

void batch_wakers::dismiss(base::spin_lock& lock) noexcept {
  {
    std::lock_guard guard{lock};  // waits for the last waker, and nobody else comes
    if (calls_.empty()) return;
  }
  std::lock_guard dismissal{dismissal_lock};
  std::lock_guard guard{lock};
  while (auto* each = calls_.pop_front()) each->dismissed = true;
}

bool wait_queue::wake_leaving(woken_waiters& woken) noexcept {
  for (std::size_t count = 0; count < wakes_in_batch;) {
    auto* node = leaving_.pop_front();
    if (!node) return true;
    node->task->prefetch();  // it may have slept for long
    if (woken.wake(*node)) ++count;
  }
  return leaving_.empty();
}

void wait_queue::check_nobody_waits(const char* advice, std::string_view kind, const void* object) noexcept {
  wakers_.dismiss(lock_);
  std::lock_guard guard{lock_};
  WEFT_CHECK(waiters_.empty() && leaving_.empty(), advice, kind, object);
}

}  // namespace weft::detail
