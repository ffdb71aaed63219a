#include <weft/base/check.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace weft::detail {

namespace {
std::atomic<caller_report> reports_caller{nullptr};
}

void set_caller_report(caller_report report) noexcept {
  // release: publishes what the report uses; pairs with check_failed()
  reports_caller.store(report, std::memory_order_release);
}

void check_failed(std::string_view condition, std::string_view advice, std::source_location where,
                  checked_object about) {
  std::fprintf(stderr, "weft: check failed: %.*s\n  at %s:%u in %s\n  ", static_cast<int>(condition.size()),
               condition.data(), where.file_name(), where.line(), where.function_name());
  if (!about.kind.empty()) {
    std::fprintf(stderr, "the %.*s %p: ", static_cast<int>(about.kind.size()), about.kind.data(), about.address);
  }
  std::fprintf(stderr, "%.*s\n", static_cast<int>(advice.size()), advice.data());
  // acquire: pairs with set_caller_report()
  if (auto report = reports_caller.load(std::memory_order_acquire)) report();
  std::abort();
}

}  // namespace weft::detail
