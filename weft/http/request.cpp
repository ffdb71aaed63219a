#include <weft/http/request.hpp>

#include <algorithm>

#include <weft/base/check.hpp>

#include "weft/http/h1/text.hpp"

namespace weft::http {
namespace {

std::string_view decoded(std::string_view text, std::pmr::memory_resource& memory) {
  if (text.find_first_of("%+") == std::string_view::npos) return text;
  auto* into = static_cast<char*>(memory.allocate(text.size(), 1));
  // The query was checked when the request arrived, so that every escape in it decodes.
  return {into, detail::percent_decode(text, detail::plus_sign::space, into).value_or(0)};
}

}  // namespace

std::string_view request::parameter(std::string_view name) const {
  WEFT_CHECK(match_.route != nullptr, "only a request that matched a route has path parameters");
  const auto& names = match_.route->parameter_names;
  auto place = static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
  WEFT_CHECK(place < names.size(), "ask for a name that the route's pattern has in braces");
  return match_.parameters[place];
}

std::optional<std::string_view> request::query_parameter(std::string_view name) const {
  auto rest = query_;
  while (!rest.empty()) {
    auto end = std::min(rest.find('&'), rest.size());
    auto pair = rest.substr(0, end);
    rest = rest.substr(std::min(end + 1, rest.size()));
    auto equals = std::min(pair.find('='), pair.size());
    if (decoded(pair.substr(0, equals), *memory_) == name) {
      return decoded(pair.substr(std::min(equals + 1, pair.size())), *memory_);
    }
  }
  return std::nullopt;
}

}  // namespace weft::http
