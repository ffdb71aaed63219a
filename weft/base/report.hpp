#pragma once

#include <functional>
#include <string_view>

namespace weft {

/// Told, in one line without its end, what a program ought to know and has not asked for. On whichever thread finds it:
/// it must not wait for a task.
using report_function = std::function<void(std::string_view line)>;

/// "weft: " and the line, on standard error: where reports go that nobody else wants.
void report_on_standard_error(std::string_view line) noexcept;

}  // namespace weft
