#include <weft/task/detail/blocking_pool.hpp>

#include <weft/sched/detail/fork.hpp>

#include <exception>
#include <utility>

#include "weft/base/detail/own_thread.hpp"

namespace weft::detail {
blocking_pool::blocking_pool(std::size_t most_threads, std::string name)
    : most_{most_threads}, name_{std::move(name)} {}

blocking_pool::~blocking_pool() {
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
  }
  arrived_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void blocking_pool::submit(blocking_job& work) noexcept {
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

void blocking_pool::work() noexcept {
  base::become_own_thread(name_.substr(0, 15).c_str());
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
