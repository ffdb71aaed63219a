#include <weft/sync/shared_mutex.hpp>

#include <weft/base/check.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft {

shared_mutex::~shared_mutex() {
  WEFT_CHECK(permits_.available() == all, "unlock a shared_mutex before it is destroyed", "shared_mutex", this);
}

void shared_mutex::note_writer() noexcept {
  // relaxed: compared only by the holder itself, or by who misuses it
  writer_.store(&detail::current_task(), std::memory_order_relaxed);
}

void shared_mutex::lock() {
  // relaxed: only the caller itself can have written the caller's name
  WEFT_CHECK(writer_.load(std::memory_order_relaxed) != &detail::current_task(),
             "a shared_mutex is not recursive: this task holds it already", "shared_mutex", this);
  detail::wait_uncancelled(async_lock(), "shared_mutex::lock()");
}

bool shared_mutex::try_lock() noexcept {
  if (!permits_.try_acquire(all)) return false;
  note_writer();
  return true;
}

void shared_mutex::unlock() noexcept {
  // relaxed, both: as in note_writer()
  WEFT_CHECK(writer_.load(std::memory_order_relaxed) == &detail::current_task(),
             "unlock a shared_mutex only while you hold it: this task does not hold it alone", "shared_mutex", this);
  writer_.store(nullptr, std::memory_order_relaxed);
  permits_.release(all);
}

void shared_mutex::lock_shared() {
  // relaxed: as in lock()
  WEFT_CHECK(writer_.load(std::memory_order_relaxed) != &detail::current_task(),
             "a shared_mutex is not recursive: this task holds it already, alone", "shared_mutex", this);
  detail::wait_uncancelled(async_lock_shared(), "shared_mutex::lock_shared()");
}

void shared_mutex::unlock_shared() noexcept {
  WEFT_CHECK(permits_.available() < all, "unlock a shared_mutex only while you hold it: nobody holds it",
             "shared_mutex", this);
  permits_.release();
}

}  // namespace weft
