#include "moderator.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weft/task/deadline_scope.hpp>
#include <weft/task/detail/task_base.hpp>

#include "wire.hpp"

namespace gallery {
namespace {

constexpr std::size_t max_answer_bytes = 64 * 1024;
constexpr std::size_t max_verdict_length = 100;
constexpr std::string_view accepted = "ok";

problem unavailable(std::string_view detail) {
  return {503, "moderator_unavailable",
          fmt::format("the photo could not be checked ({}) and was not kept: try again in a while", detail)};
}

/// Finds the verdict in {"verdict": "…"} as the text is read. No value of it is kept: the library's values allocate
/// when they are destroyed, and end the program where there is no memory.
class verdict_finder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return other(); }
  bool boolean(bool) override { return other(); }
  bool number_integer(number_integer_t) override { return other(); }
  bool number_unsigned(number_unsigned_t) override { return other(); }
  bool number_float(number_float_t, const string_t&) override { return other(); }
  bool binary(binary_t&) override { return other(); }
  bool string(string_t& value) override {
    if (depth_ == 1 && is_verdict_) verdict_ = value;
    return other();
  }
  bool key(string_t& name) override {
    is_verdict_ = depth_ == 1 && name == "verdict";
    if (is_verdict_) verdict_.reset();
    return true;
  }
  bool start_object(std::size_t) override {
    if (depth_ == 0) is_object_ = true;
    return deeper();
  }
  bool start_array(std::size_t) override { return deeper(); }
  bool end_object() override { return less_deep(); }
  bool end_array() override { return less_deep(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override { return false; }

  [[nodiscard]] std::optional<std::string> take() {
    return is_object_ ? std::move(verdict_) : std::optional<std::string>();
  }

 private:
  bool other() {
    is_verdict_ = false;
    return true;
  }
  bool deeper() {
    ++depth_;
    return other();
  }
  bool less_deep() {
    --depth_;
    return other();
  }

  unsigned depth_ = 0;
  bool is_object_ = false;
  bool is_verdict_ = false;
  std::optional<std::string> verdict_;
};

std::optional<std::string> verdict_in(const std::string& answer) {
  verdict_finder found;
  if (!nlohmann::json::sax_parse(answer, &found)) return std::nullopt;
  auto verdict = found.take();
  if (verdict && (verdict->empty() || verdict->size() > max_verdict_length)) return std::nullopt;
  return verdict;
}

}  // namespace

startup<std::unique_ptr<moderator>> moderator::create(const settings& wanted) {
  auto where = weft::http::url::parse(wanted.url);
  if (!where) {
    return std::unexpected(startup_failure{
        fmt::format("{} is no URL of a moderation service: give one like http://127.0.0.1:9080", wanted.url)});
  }
  if (where->target.ends_with('/')) where->target.pop_back();
  where->target += "/moderate";
  return std::unique_ptr<moderator>(new moderator(wanted.url, std::move(*where), wanted.patience));
}

moderator::moderator(std::string url, weft::http::url where, std::chrono::milliseconds patience)
    : url_(std::move(url)),
      where_(std::move(where)),
      patience_(patience),
      client_({.max_body_bytes = max_answer_bytes, .max_idle_per_host = 128}) {}

outcome<std::string> moderator::judge(const photo_record& photo) {
  const weft::deadline_scope until(patience_);
  const std::string asked = question(photo);
  auto answer = ask(asked);
  // A connection that was kept may have been closed meanwhile. To ask twice does no harm.
  if (!answer && answer.error() != weft::errc::timed_out) answer = ask(asked);
  if (!answer) {
    const bool slow = answer.error() == weft::errc::timed_out;
    return std::unexpected(
        unavailable(slow ? fmt::format("the moderation service did not answer within {} ms", patience_.count())
                         : fmt::format("the moderation service cannot be reached: {}", answer.error().message())));
  }
  if (answer->status != 200) {
    return std::unexpected(unavailable(fmt::format("the moderation service answered {}", answer->status)));
  }
  auto verdict = verdict_in(answer->body);
  if (!verdict) return std::unexpected(unavailable("the moderation service's answer makes no sense"));
  if (*verdict == accepted) return std::move(*verdict);
  return std::unexpected(problem{
      422, "rejected", fmt::format("the moderation service rejected the photo ({}): send another one", *verdict)});
}

weft::result<moderator::raw_answer> moderator::ask(std::string_view question) {
  static constexpr weft::http::header_field type{"Content-Type", "application/json"};
  auto response = client_.send(where_, {.method = weft::http::method::post, .headers = {type}, .body = question});
  if (!response) return std::unexpected(response.error());
  auto body = response->body().read_all(max_answer_bytes);
  if (!body) return std::unexpected(body.error());
  return raw_answer{response->status(), std::move(*body)};
}

}  // namespace gallery
