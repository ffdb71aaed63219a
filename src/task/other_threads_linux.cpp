#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "task/other_threads.hpp"
#include "task/task_registry.hpp"

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

bool other_threads_run() {
  std::error_code failed;
  std::size_t others = 0;
  for (const auto& thread : std::filesystem::directory_iterator{"/proc/self/task", failed}) {
    std::ifstream file{thread.path() / "comm"};
    std::string name;
    if (!std::getline(file, name)) continue;  // it has ended
    if (!name.starts_with("weft-")) ++others;
  }
  std::size_t waiting = 0;
  task_registry::global().for_each(
      [&](task_extras& entry) {
        if (entry.task().kind() == task_kind::os_thread && entry.wait_number() % 2 == 1) ++waiting;
        return false;
      },
      [](task_extras&) {});
  return failed || others > waiting + threads_of_sanitizer;
}

}  // namespace weft::detail
