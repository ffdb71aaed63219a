#include <weft/task/runtime.hpp>

#include <algorithm>
#include <exception>
#include <new>
#include <system_error>
#include <thread>

#include <weft/base/check.hpp>
#include <weft/task/spawn.hpp>

#include "task/hibernator.hpp"
#include "task/overflow_report.hpp"

namespace weft {

runtime::runtime(runtime_options options)
    : scheduler{{.seats = options.seats,
                 .make_driver = std::move(options.make_driver),
                 .watch = std::move(options.watch)}},
      default_stacks_{options.stack_bytes},
      blocking_{options.blocking_threads, detail::worker_priority::normal, "weft-blocking"},
      compute_{options.compute_carriers != 0 ? options.compute_carriers : sched::available_cores(),
               detail::worker_priority::below_seats, "weft-compute"} {
  detail::report_overflows();
  hibernator_ = std::make_unique<detail::hibernator>(*this, options.hibernate_after);
  default_stacks_.ring_when_brought_back(&hibernator_->bell());
  hibernator_->start();
}

// Before the members go: a carrier may still be giving a stack back.
runtime::~runtime() { shut_down(); }

void runtime::shut_down() noexcept {
  {
    std::unique_lock lock{adopted_mutex_};
    for (auto* task = adopted_.front(); task; task = adopted_.next(*task)) task->request_cancel();
    adopted_changed_.wait(lock, [this] { return adopted_.empty(); });
  }
  hibernator_->stop();
  stop();
}

std::vector<stack::stack_pool*> runtime::all_stacks() {
  std::vector<stack::stack_pool*> all{&default_stacks_};
  std::lock_guard guard{other_stacks_mutex_};
  for (auto& [bytes, pool] : other_stacks_) all.push_back(pool.get());
  return all;
}

void runtime::note_stack_use(const std::source_location& site, std::size_t bytes) noexcept try {
  std::lock_guard guard{stack_uses_mutex_};
  auto& use = stack_uses_[{site.file_name(), site.line()}];
  use.spawned_at = site;
  ++use.measured;
  use.most_bytes = std::max(use.most_bytes, bytes);
} catch (const std::bad_alloc&) {
  // One measurement less.
}

std::vector<stack_use> runtime::stack_uses() const {
  std::vector<stack_use> all;
  std::lock_guard guard{stack_uses_mutex_};
  for (const auto& [site, use] : stack_uses_) {
    constexpr std::size_t for_a_signal = 8 * 1024, unit = 4 * 1024;
    all.push_back(use);
    all.back().recommended_bytes = (use.most_bytes + use.most_bytes / 2 + for_a_signal + unit - 1) / unit * unit;
  }
  return all;
}

std::size_t runtime::hibernate_parked() { return hibernator_->put_away_all(); }

hibernation_statistics runtime::hibernation() const noexcept { return hibernator_->statistics(); }

stack::stack_pool& runtime::stacks(std::size_t stack_bytes) {
  if (stack_bytes == 0) return default_stacks_;
  std::lock_guard guard{other_stacks_mutex_};
  auto& pool = other_stacks_[stack_bytes];
  if (!pool) {
    pool = std::make_unique<stack::stack_pool>(stack_bytes);
    pool->ring_when_brought_back(&hibernator_->bell());
  }
  return *pool;
}

void runtime::adopt(detail::task_state& task) noexcept {
  std::lock_guard guard{adopted_mutex_};
  // Before observing: the end may come at once, and takes the task out under the same mutex.
  adopted_.push_back(task);
  if (!task.observe_end(*this)) base::intrusive_list<detail::task_state>::remove(task);
}

void runtime::on_end(detail::task_state& task, const std::exception_ptr& error) noexcept {
  if (error) std::rethrow_exception(error);  // nobody can catch it: ends the program and says what it was
  std::lock_guard guard{adopted_mutex_};
  base::intrusive_list<detail::task_state>::remove(task);
  adopted_changed_.notify_all();
}

namespace detail {

void throw_no_stack(stack::stack_pool& pool, std::error_code why) {
  throw std::system_error{why, "weft: no stack for a virtual thread: " + pool.explain(why)};
}

runtime& runtime_to_spawn_in() {
  auto* home = runtime::current();
  WEFT_CHECK(home != nullptr, "spawn works inside of weft::run(): call it from a task");
  return *home;
}

void wait_for_end(task_state& target) noexcept { wait_to_the_end(end_operation{target}); }

}  // namespace detail
}  // namespace weft
