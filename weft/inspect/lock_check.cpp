// A library of its own, for debugging: weft_lock_check, linked into a program or loaded before it (LD_PRELOAD). It
// stands before the C library's mutexes and read-write locks, which those of the standard library are made of, and
// knows which of them each OS thread holds. Where tasks are tracked, weft asks it whenever a task parks. It sees no
// lock that is taken inside of the C library, and none of a program that is linked statically.

#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <ctime>

namespace {

/// What the calling OS thread holds, the oldest first. Those beyond are not known.
struct held_locks {
  std::array<const void*, 16> locks;
  std::size_t count;
};
[[gnu::tls_model("initial-exec")]] constinit thread_local held_locks held{};

int took(const void* lock, int said) noexcept {
  if ((said == 0 || said == EOWNERDEAD) && held.count < held.locks.size()) held.locks[held.count++] = lock;
  return said;
}

void let_go(const void* lock) noexcept {
  auto* end = held.locks.data() + held.count;
  auto* found = std::find(held.locks.data(), end, lock);
  if (found == end) return;  // taken on another thread, or forgotten
  std::copy(found + 1, end, found);
  --held.count;
}

/// The C library's own function of that name. Without a guarded static, which might lock.
template <class F>
class real {
 public:
  explicit constexpr real(const char* name) noexcept : name_{name} {}
  template <class... Args>
  int operator()(Args... args) noexcept {
    // relaxed: the same whoever finds it
    auto* found = found_.load(std::memory_order_relaxed);
    if (!found) {
      found = reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name_));
      found_.store(found, std::memory_order_relaxed);  // relaxed: as above
    }
    return found(args...);
  }

 private:
  const char* name_;
  std::atomic<F*> found_{nullptr};
};

}  // namespace

#define WEFT_EXPORTED extern "C" [[gnu::visibility("default")]]

/// A lock that the calling OS thread holds, the one for longest, and forgets all; null where it holds none.
WEFT_EXPORTED const void* weft_take_held_lock() noexcept;
const void* weft_take_held_lock() noexcept {
  const auto* first = held.count != 0 ? held.locks[0] : nullptr;
  held.count = 0;
  return first;
}

#define WEFT_LOCKS(name, object)                        \
  WEFT_EXPORTED int name(object* lock) noexcept {       \
    static constinit real<int(object*)> of_libc{#name}; \
    return took(lock, of_libc(lock));                   \
  }
#define WEFT_LOCKS_UNTIL(name, object)                                   \
  WEFT_EXPORTED int name(object* lock, const timespec* until) noexcept { \
    static constinit real<int(object*, const timespec*)> of_libc{#name}; \
    return took(lock, of_libc(lock, until));                             \
  }
#define WEFT_LOCKS_BY(name, object)                                                       \
  WEFT_EXPORTED int name(object* lock, clockid_t clock, const timespec* until) noexcept { \
    static constinit real<int(object*, clockid_t, const timespec*)> of_libc{#name};       \
    return took(lock, of_libc(lock, clock, until));                                       \
  }
#define WEFT_UNLOCKS(name, object)                      \
  WEFT_EXPORTED int name(object* lock) noexcept {       \
    static constinit real<int(object*)> of_libc{#name}; \
    let_go(lock);                                       \
    return of_libc(lock);                               \
  }

WEFT_LOCKS(pthread_mutex_lock, pthread_mutex_t)
WEFT_LOCKS(pthread_mutex_trylock, pthread_mutex_t)
WEFT_LOCKS_UNTIL(pthread_mutex_timedlock, pthread_mutex_t)
WEFT_LOCKS_BY(pthread_mutex_clocklock, pthread_mutex_t)
WEFT_UNLOCKS(pthread_mutex_unlock, pthread_mutex_t)
WEFT_LOCKS(pthread_rwlock_rdlock, pthread_rwlock_t)
WEFT_LOCKS(pthread_rwlock_wrlock, pthread_rwlock_t)
WEFT_LOCKS(pthread_rwlock_tryrdlock, pthread_rwlock_t)
WEFT_LOCKS(pthread_rwlock_trywrlock, pthread_rwlock_t)
WEFT_LOCKS_UNTIL(pthread_rwlock_timedrdlock, pthread_rwlock_t)
WEFT_LOCKS_UNTIL(pthread_rwlock_timedwrlock, pthread_rwlock_t)
WEFT_LOCKS_BY(pthread_rwlock_clockrdlock, pthread_rwlock_t)
WEFT_LOCKS_BY(pthread_rwlock_clockwrlock, pthread_rwlock_t)
WEFT_UNLOCKS(pthread_rwlock_unlock, pthread_rwlock_t)
