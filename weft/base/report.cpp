#include <weft/base/report.hpp>

#include <cstdio>

namespace weft {

void report_on_standard_error(std::string_view line) noexcept {
  std::fprintf(stderr, "weft: %.*s\n", static_cast<int>(line.size()), line.data());
}

}  // namespace weft
