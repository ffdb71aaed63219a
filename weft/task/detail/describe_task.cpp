#include "weft/task/detail/describe_task.hpp"

#include <string>

#include <weft/task/detail/task_base.hpp>

namespace weft::detail {

std::string describe_task(const task_base& task) {
  std::string text = "task ";
  if (!task.name().empty()) text += '"' + std::string{task.name()} + "\", ";
  text += std::string{"spawned at "} + task.site().file_name() + ':' + std::to_string(task.site().line());
  // As dumps and reports of deadlocks number it.
  if (const auto* record = task.side_record(); record && record->number() != 0) {
    text += ", number " + std::to_string(record->number());
  }
  return text;
}

}  // namespace weft::detail
