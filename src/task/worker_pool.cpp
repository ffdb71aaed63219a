#include <weft/task/worker_pool.hpp>

#include <weft/sched/fork.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <system_error>

#if defined(__linux__)
#include <pthread.h>
#include <sys/syscall.h>
#endif

namespace weft::detail {
namespace {

thread_local constinit worker_pool* this_worker_of = nullptr;

[[gnu::noinline]] void set_pool(worker_pool* pool) noexcept { this_worker_of = pool; }

/// A nice value for threads that compute: enough that a seat with something to do runs at once, and that computing
/// still gets its share when the seats are busy.
constexpr int nice_below_seats = 10;

void become(worker_priority priority, const std::string& name) noexcept {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  if (priority == worker_priority::below_seats) {
    // A failure leaves the thread as urgent as any: slower for the seats, not wrong.
    static_cast<void>(setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), nice_below_seats));
  }
#else
  static_cast<void>(priority);
  static_cast<void>(name);
#endif
}

}  // namespace

worker_pool::worker_pool(std::size_t most_threads, worker_priority priority, std::string name)
    : most_{most_threads}, priority_{priority}, name_{std::move(name)} {}

worker_pool::~worker_pool() {
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
  }
  arrived_.notify_all();
  for (auto& thread : threads_) thread.join();
}

[[gnu::noinline]] worker_pool* worker_pool::current() noexcept {
  asm volatile("" ::: "memory");
  return this_worker_of;
}

void worker_pool::submit(job& work) noexcept {
  sched::check_threads_exist();
  std::unique_lock lock{mutex_};
  if (queued_ >= idle_ && threads_.size() < most_) {
    try {
      threads_.emplace_back([this] { this->work(); });
    } catch (const std::exception&) {
      // No more threads: those there are take it in turn. Without any, the caller does it.
      if (threads_.empty()) {
        lock.unlock();
        work.run();
        return;
      }
    }
  }
  work.next_ = nullptr;
  (tail_ ? tail_->next_ : head_) = &work;
  tail_ = &work;
  ++queued_;
  lock.unlock();
  arrived_.notify_one();
}

void worker_pool::work() noexcept {
  become(priority_, name_);
  set_pool(this);
  std::unique_lock lock{mutex_};
  for (;;) {
    ++idle_;
    arrived_.wait(lock, [this] { return head_ != nullptr || stopping_; });
    --idle_;
    if (!head_) return;
    auto* next = head_;
    head_ = next->next_;
    if (!head_) tail_ = nullptr;
    --queued_;
    lock.unlock();
    next->run();
    lock.lock();
  }
}

}  // namespace weft::detail
