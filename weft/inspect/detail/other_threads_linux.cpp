#include <filesystem>
#include <system_error>

#include "weft/base/detail/own_thread.hpp"
#include "weft/inspect/detail/other_threads.hpp"
#include "weft/task/detail/task_registry.hpp"

namespace weft::detail {
namespace {

// ThreadSanitizer has a thread of its own.
#if defined(__SANITIZE_THREAD__)
constexpr std::size_t threads_of_sanitizer = 1;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr std::size_t threads_of_sanitizer = 1;
#else
constexpr std::size_t threads_of_sanitizer = 0;
#endif
#else
constexpr std::size_t threads_of_sanitizer = 0;
#endif

}  // namespace

bool other_threads_than(std::size_t waiting) {
  std::error_code failed;
  std::size_t all = 0;
  for (std::filesystem::directory_iterator thread{"/proc/self/task", failed}, end; !failed && thread != end;
       thread.increment(failed)) {
    ++all;
  }
  return failed || all > base::own_threads() + waiting + threads_of_sanitizer;
}

bool other_threads_run() {
  std::size_t waiting = 0;
  task_registry::global().for_each(
      [&](task_side_record& entry) {
        if (entry.task().kind() == task_kind::os_thread && entry.wait_number() % 2 == 1) ++waiting;
        return false;
      },
      [](task_side_record&) {});
  return other_threads_than(waiting);
}

}  // namespace weft::detail
