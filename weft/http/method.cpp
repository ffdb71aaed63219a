#include <weft/http/method.hpp>

#include <algorithm>
#include <array>

namespace weft::http {
namespace {

constexpr std::array<std::string_view, method_count> names{"GET",   "HEAD",    "POST",  "PUT",    "DELETE",
                                                           "PATCH", "OPTIONS", "TRACE", "CONNECT"};

}  // namespace

std::string_view to_string(method value) noexcept {
  return value == method::unknown ? std::string_view{} : names[static_cast<std::size_t>(value)];
}

method method_of(std::string_view name) noexcept {
  auto found = std::ranges::find(names, name);
  return static_cast<method>(found - names.begin());
}

}  // namespace weft::http
