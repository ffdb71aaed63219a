#include <weft/base/error.hpp>

#include <cstdio>
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
    }
    return "unknown weft error";
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const category instance;
  return instance;
}

capacity_error::capacity_error(const char* kind, std::size_t capacity, std::size_t bytes) noexcept {
  std::snprintf(text_, sizeof text_, "no memory for a %.20s with room for %zu values of %zu bytes: give it less room",
                kind, capacity, bytes);
}

}  // namespace weft
