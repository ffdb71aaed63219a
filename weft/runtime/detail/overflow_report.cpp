#include "weft/runtime/detail/overflow_report.hpp"

#include <cerrno>
#include <charconv>
#include <string_view>

#include <unistd.h>

#include <weft/sched/detail/scheduler.hpp>
#include <weft/task/detail/virtual_thread.hpp>
#include "weft/stack/detail/overflow.hpp"

namespace weft::detail {
namespace {

void write_out(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto written = write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// The virtual thread that the interrupted code belongs to.
const virtual_thread* running_thread() noexcept {
  const auto* running = static_cast<const task_base*>(sched::current_runnable());
  if (running == nullptr || running->kind() != task_kind::virtual_thread) return nullptr;
  return static_cast<const virtual_thread*>(running);
}

/// The same, if it runs on that stack: a coroutine or an OS thread may have run into the guard of a stack that is not
/// its own.
const virtual_thread* task_on(const stack::slot& slot) noexcept {
  const auto* task = running_thread();
  return task != nullptr && task->runs_on(slot) ? task : nullptr;
}

const stack::slot* stack_of_running_thread() noexcept {
  const auto* task = running_thread();
  return task != nullptr ? &task->own_stack() : nullptr;
}

// In the signal handler. The control block lies at the other end of the stack than the one that was used up.
void name_task(const stack::overflow& found) noexcept {
  const auto* task = task_on(*found.stack);
  if (task == nullptr) return;
  write_out("weft: the task is ");
  if (task->name().empty()) {
    write_out("without a name");
  } else {
    write_out("\"");
    write_out(task->name());
    write_out("\"");
  }
  write_out(", spawned at ");
  write_out(task->site().file_name());
  char line[16] = ":";
  write_out({line, std::to_chars(line + 1, line + sizeof line, task->site().line()).ptr});
  write_out(" in ");
  write_out(task->site().function_name());
  write_out("\n");
}

}  // namespace

void report_overflows() {
  stack::set_overflow_hook(&name_task);
  stack::set_running_stack(&stack_of_running_thread);
  stack::install_overflow_handler();
}

}  // namespace weft::detail
