#include <weft/net/resolve.hpp>

#include <utility>

#include <weft/task/deadline_scope.hpp>
#include "weft/task/detail/in_place.hpp"

#include "weft/net/detail/lookup.hpp"

namespace weft {
namespace {

class resolve_errors final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "weft.resolve"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<resolve_errc>(value)) {
      case resolve_errc::no_such_host: return "no such host";
      case resolve_errc::no_answer: return "the name servers gave no answer";
    }
    return "unknown";
  }
};

}  // namespace

const std::error_category& resolve_category() noexcept {
  static const auto& category = *new resolve_errors;  // never destroyed: static objects may fail when they end
  return category;
}

result<std::vector<endpoint>> resolve(std::string_view host, std::uint16_t port, const resolve_options& options) {
  detail::in_place waits;
  return await(async_resolve(std::string{host}, port, options));
}

task<result<std::vector<endpoint>>> async_resolve(std::string host, std::uint16_t port, resolve_options options) {
  if (auto number = endpoint::parse(host, port)) co_return std::vector{*number};
  if (host.empty() || host.find('\0') != std::string::npos) co_return failure(errc::malformed);
  io::lookup question;
  if (auto started = question.start(host, port, options); !started) co_return std::unexpected{started.error()};
  while (!question.answer()) {
    deadline_scope ours{no_deadline};
    auto ready = result<void>{};
    {
      deadline_scope within{question.next_timeout()};
      ready = co_await question.async_ready();
    }
    if (!ready && ready.error() != errc::timed_out) co_return std::unexpected{ready.error()};
    if (!ready && ours.deadline() <= now()) co_return failure(errc::timed_out);
    question.process();
  }
  co_return *std::exchange(question.answer(), std::nullopt);
}

}  // namespace weft
