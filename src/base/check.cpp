#include <weft/base/check.hpp>

#include <cstdio>
#include <cstdlib>

namespace weft::detail {

void check_failed(std::string_view condition, std::string_view advice, std::source_location where) {
  std::fprintf(stderr, "weft: check failed: %.*s\n  at %s:%u in %s\n  %.*s\n", static_cast<int>(condition.size()),
               condition.data(), where.file_name(), where.line(), where.function_name(),
               static_cast<int>(advice.size()), advice.data());
  std::abort();
}

}  // namespace weft::detail
