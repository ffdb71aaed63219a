#include <weft/http/router.hpp>

#include <algorithm>
#include <utility>

#include <weft/base/check.hpp>

namespace weft::http {

/// One segment of patterns that begin alike.
struct router::node {
  std::vector<std::pair<std::string, std::unique_ptr<node>>> literals;
  std::unique_ptr<node> parameter;
  std::array<const route*, method_count> routes{};
  std::string allowed;

  [[nodiscard]] node* literal(std::string_view segment) const noexcept {
    for (const auto& [text, child] : literals) {
      if (text == segment) return child.get();
    }
    return nullptr;
  }

  void allow(http::method method) {
    if (allowed.find(to_string(method)) != std::string::npos) return;
    if (!allowed.empty()) allowed += ", ";
    allowed += to_string(method);
    if (method == method::get) allow(method::head);
  }

  [[nodiscard]] const route* route_for(http::method method) const noexcept {
    if (method == method::unknown) return nullptr;
    const auto* found = routes[static_cast<std::size_t>(method)];
    if (!found && method == method::head) return routes[static_cast<std::size_t>(method::get)];
    return found;
  }

  /// The node at the end of `rest`, which is empty or begins with '/'. Literal children first, then the parameter.
  [[nodiscard]] const node* find(std::string_view rest, std::span<std::string_view> parameters) const noexcept {
    if (rest.empty()) return allowed.empty() ? nullptr : this;
    auto end = std::min(rest.find('/', 1), rest.size());
    auto segment = rest.substr(1, end - 1);
    rest = rest.substr(end);
    if (const auto* child = literal(segment)) {
      if (const auto* found = child->find(rest, parameters)) return found;
    }
    if (!parameter || segment.empty()) return nullptr;
    parameters.front() = segment;
    return parameter->find(rest, parameters.subspan(1));
  }
};

router::router() : root_{std::make_unique<node>()} {}
router::~router() = default;
router::router(router&&) noexcept = default;
router& router::operator=(router&&) noexcept = default;

router::node& router::node_for(std::string_view pattern, std::vector<std::string>& parameter_names) {
  auto* at = root_.get();
  while (!pattern.empty()) {
    auto end = std::min(pattern.find('/', 1), pattern.size());
    auto segment = pattern.substr(1, end - 1);
    pattern = pattern.substr(end);
    if (segment.starts_with('{') && segment.ends_with('}')) {
      parameter_names.emplace_back(segment.substr(1, segment.size() - 2));
      if (!at->parameter) at->parameter = std::make_unique<node>();
      at = at->parameter.get();
    } else if (auto* child = at->literal(segment)) {
      at = child;
    } else {
      at = at->literals.emplace_back(segment, std::make_unique<node>()).second.get();
    }
  }
  return *at;
}

router& router::add(http::method method, std::string_view pattern, handler answer, route_options options) {
  WEFT_CHECK(pattern.starts_with('/'), "a route's pattern begins with '/'");
  WEFT_CHECK(method != method::unknown, "a route has one of the known methods");
  std::vector<std::string> parameter_names;
  auto& end = node_for(pattern, parameter_names);
  WEFT_CHECK(parameter_names.size() <= max_path_parameters, "use fewer parameters in one pattern");
  auto& slot = end.routes[static_cast<std::size_t>(method)];
  WEFT_CHECK(slot == nullptr, "this method and pattern have a handler already: add each once");
  routes_.push_back(std::make_unique<const route>(route{.method = method,
                                                        .pattern = std::string{pattern},
                                                        .handler = std::move(answer),
                                                        .options = options,
                                                        .parameter_names = std::move(parameter_names),
                                                        .index = routes_.size()}));
  slot = routes_.back().get();
  end.allow(method);
  return *this;
}

router& router::otherwise(handler answer) {
  otherwise_ = std::move(answer);
  return *this;
}

router& router::guard(handler check) {
  guards_.push_back(std::move(check));
  return *this;
}

route_match router::match(http::method method, std::string_view path) const {
  route_match match;
  if (!path.starts_with('/')) return match;
  if (const auto* end = root_->find(path, match.parameters)) {
    match.route = end->route_for(method);
    if (!match.route) match.allowed = end->allowed;
  }
  return match;
}

}  // namespace weft::http
