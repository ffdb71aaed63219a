#include <weft/base/error.hpp>
#include <weft/base/result.hpp>

#include <cstdio>
#include <new>
#include <string>

namespace weft {
namespace {

class category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "weft"; }

  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<errc>(value)) {
      case errc::cancelled: return "cancelled";
      case errc::timed_out: return "the deadline passed";
      case errc::closed: return "closed";
      case errc::end_of_stream: return "end of stream";
      case errc::too_large: return "larger than the limit";
      case errc::malformed: return "malformed";
      case errc::unavailable: return "not available";
      case errc::lagged: return "values were lost";
      case errc::deadlock: return "deadlock";
      case errc::overloaded: return "overloaded";
      case errc::no_address:
        return "no address before the port: say 0.0.0.0:8080 for all, 127.0.0.1:8080 for this machine";
      case errc::no_port: return "no port: say 127.0.0.1:8080, or [::1]:8080";
      case errc::bad_port: return "the port is no number from 0 to 65535";
      case errc::not_numeric: return "not a numeric address such as 127.0.0.1 or [::1]: resolve() looks names up";
    }
    return "unknown weft error";
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const auto& instance = *new category;  // never destroyed: static objects may fail when they end
  return instance;
}

capacity_error::capacity_error(const char* kind, std::size_t capacity, std::size_t bytes) noexcept {
  std::snprintf(text_, sizeof text_, "no memory for a %.20s with room for %zu values of %zu bytes: give it less room",
                kind, capacity, bytes);
}

}  // namespace weft

std::bad_expected_access<weft::error>::bad_expected_access(weft::error reason) noexcept : reason_{reason} {
  try {
    std::snprintf(text_, sizeof text_, "%s (%s:%d)", reason.message().c_str(), reason.category().name(),
                  reason.value());
  } catch (const std::bad_alloc&) {
    std::snprintf(text_, sizeof text_, "%s:%d", reason.category().name(), reason.value());
  }
}
