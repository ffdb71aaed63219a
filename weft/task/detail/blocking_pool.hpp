#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>

#include <weft/base/containers.hpp>

namespace weft::detail {

/// Something for a worker to do. Linked, not owned; gone once run() has been called.
class blocking_job {
 public:
  virtual void run() noexcept = 0;

 protected:
  ~blocking_job() = default;

 private:
  friend class blocking_pool;
  blocking_job* next_ = nullptr;
};

/// OS threads, started when there is work and no idle one, up to a limit; beyond it jobs queue, first in, first out.
/// Thread: any.
/// Lifetime: every job has run before the destructor, which joins the threads, returns.
class blocking_pool {
 public:
  blocking_pool(std::size_t most_threads, std::string name);
  ~blocking_pool();
  blocking_pool(const blocking_pool&) = delete;
  blocking_pool& operator=(const blocking_pool&) = delete;

  /// Has `work` run by a worker. When the system refuses the first thread, runs it here instead: nothing is lost.
  void submit(blocking_job& work) noexcept;

  [[nodiscard]] std::size_t most_threads() const noexcept { return most_; }

 private:
  void work() noexcept;

  const std::size_t most_;
  const std::string name_;
  std::mutex mutex_;  // guards all below
  std::condition_variable arrived_;
  blocking_job* head_ = nullptr;
  blocking_job* tail_ = nullptr;
  std::size_t queued_ = 0;
  std::size_t idle_ = 0;
  bool stopping_ = false;
  plain::vector<std::thread> threads_;
};

}  // namespace weft::detail
