#include <new>
#include <string>
#include <utility>

#include <weft/runtime/runtime.hpp>

#include "weft/inspect/detail/other_threads.hpp"
#include "weft/task/detail/os_threads.hpp"

// What a runtime reports without being asked for: see warning_options. Long stalls are the watchdog's.

namespace weft {
namespace {

constexpr std::chrono::seconds between_lines{1};

[[nodiscard]] std::string in_seconds(duration time) {
  const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(time).count() / 100;
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10) + " s";
}

}  // namespace

void runtime::warn_of_cancelled(std::string_view waiter, std::size_t count, std::string_view example) noexcept try {
  std::size_t left_out = 0;
  {
    std::lock_guard guard{warned_mutex_};
    if (warned_of_cancelled_ != time_point::min() && now() - warned_of_cancelled_ < between_lines) {
      ++left_out_;
      return;
    }
    warned_of_cancelled_ = now();
    left_out = std::exchange(left_out_, 0);
  }
  auto line = std::string{waiter} + " has waited for more than " + in_seconds(warnings_.cancelled_over) + " for ";
  line += count == 1 ? "a task that was cancelled and goes on: the "
                     : std::to_string(count) + " tasks that were cancelled and go on, such as the ";
  line += example;
  if (left_out != 0) line += ". " + std::to_string(left_out) + " more such lines were left out";
  report_(line);
} catch (const std::bad_alloc&) {
  // One line less.
}

// Why it is true when it is said: the counts of what was resumed before and after the look are equal, so no task ran in
// between, and each of the conditions held at some moment between them. Only a task, a timer, input, work outside, or a
// thread that does not wait for a task could have ended any of them.
bool runtime::on_asleep() try {
  const auto progress = statistics().resumed;
  if (asleep_at_ == progress) return false;
  const auto waiting = detail::os_threads_asleep();
  if (waiting == 0 || !nothing_is_due() || awaits_input()) return false;
  // Another runtime's tasks may wake some. relaxed: a number
  if (runtimes_.load(std::memory_order_relaxed) != 1) return false;
  if (detail::other_threads_than(waiting)) return true;
  if (detail::os_threads_asleep() != waiting || !nothing_is_due() || statistics().resumed != progress) return false;
  asleep_at_ = progress;
  report_("everything sleeps: every task waits, " + std::to_string(waiting) +
          (waiting == 1 ? " OS thread waits" : " OS threads wait") +
          " for them, and no timer, input, computation or other thread is there to wake one. Set run_options::tracking "
          "to see which task waits for what");
  return false;
} catch (const std::bad_alloc&) {
  return true;
}

}  // namespace weft
