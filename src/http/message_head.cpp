#include "http/message_head.hpp"

#include <boost/beast/http/basic_parser.hpp>

#include "http/text.hpp"

// Boost.Beast's parser does the grammar; it gets each head whole, so that it neither copies nor keeps anything. On top
// of what it refuses, these are refused, since a proxy in front of us may read them otherwise than we do and let a
// second request slip through inside the first (request smuggling):
//   * Transfer-Encoding other than exactly "chunked", more than once, or in an HTTP/1.0 message
//   * Content-Length more than once, or as a list, even with equal values; or with Transfer-Encoding, in either order
//   * lines that end with LF alone, folded lines (head_scanner); CR alone, space before the colon (Beast)
namespace weft::http::detail {
namespace {

namespace beast = boost::beast::http;
using beast_error = boost::beast::error_code;
using beast_view = boost::beast::string_view;

std::string_view view(beast_view text) noexcept { return {text.data(), text.size()}; }

/// Gathers a message's fields and what they say about its framing; remembers the first reason to refuse it.
template <bool is_request>
class head_parser : public beast::basic_parser<is_request> {
 public:
  head_parser(message_head& into, const head_limits& limits) noexcept : head_{into}, limits_{limits} {
    this->header_limit(UINT32_MAX);  // the caller's job
    this->body_limit(boost::none);
    into.fields.clear();
  }

  /// Null when the head was good so far.
  [[nodiscard]] const std::optional<refusal>& refused() const noexcept { return refused_; }

  /// Runs the grammar over `text`; false when it does not fit, or when a field was refused.
  bool parse(std::string_view text) {
    beast_error error;
    this->put(boost::asio::const_buffer{text.data(), text.size()}, error);
    failure_ = error;
    return !error && !refused_;
  }

  [[nodiscard]] const beast_error& failure() const noexcept { return failure_; }
  [[nodiscard]] const std::optional<std::uint64_t>& length() const noexcept { return length_; }
  [[nodiscard]] bool is_chunked() const noexcept { return chunked_; }

 protected:
  void refuse(http::status status, std::string_view message, beast_error& error) {
    if (!refused_) refused_ = refusal{status, message};
    error = beast::error::bad_field;
  }

  void on_field_impl(beast::field name, beast_view name_text, beast_view value_text, beast_error& error) override {
    auto value = view(value_text);
    if (head_.fields.size() == limits_.max_header_fields) {
      return refuse(status::request_header_fields_too_large, "The request has too many header fields: send fewer.",
                    error);
    }
    head_.fields.push_back({view(name_text), value});
    if (name == beast::field::content_length) {
      on_content_length(value, error);
    } else if (name == beast::field::transfer_encoding) {
      on_transfer_encoding(value, error);
    } else {
      on_other_field(name, value, error);
    }
  }

  virtual void on_other_field(beast::field, std::string_view, beast_error&) {}

 private:
  void on_content_length(std::string_view value, beast_error& error) {
    if (length_) return refuse(status::bad_request, "Content-Length is there more than once: send it once.", error);
    if (chunked_) return refuse_both(error);
    length_ = parse_decimal(value);
    if (!length_)
      refuse(status::bad_request, "Content-Length is not a number: send the body's bytes, in digits.", error);
  }

  void on_transfer_encoding(std::string_view value, beast_error& error) {
    if (length_) return refuse_both(error);
    if (chunked_ || !equals_ignoring_case(value, "chunked") || head_.version < 11) {
      return refuse(status::bad_request, "Transfer-Encoding is understood as the single word \"chunked\", in HTTP/1.1.",
                    error);
    }
    chunked_ = true;
  }

  void refuse_both(beast_error& error) {
    refuse(status::bad_request, "Content-Length and Transfer-Encoding exclude each other: send one.", error);
  }

  void on_request_impl(beast::verb, beast_view, beast_view, int version, beast_error&) override {
    head_.version = version;
  }
  void on_response_impl(int, beast_view, int version, beast_error&) override { head_.version = version; }
  void on_header_impl(beast_error&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast_error&) override {}
  std::size_t on_body_impl(beast_view body, beast_error&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, beast_view, beast_error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast_view body, beast_error&) override { return body.size(); }
  void on_finish_impl(beast_error&) override {}

  message_head& head_;
  const head_limits& limits_;
  std::optional<refusal> refused_;
  beast_error failure_;
  std::optional<std::uint64_t> length_;
  bool chunked_ = false;
};

class response_head_parser final : public head_parser<false> {
 public:
  response_head_parser(response_head& into, const head_limits& limits) noexcept
      : head_parser{into, limits}, head_{into} {}

 private:
  void on_response_impl(int code, beast_view, int version, beast_error&) override {
    head_.version = version;
    head_.status = static_cast<unsigned>(code);
  }

  response_head& head_;
};

}  // namespace

bool parse_response_head(std::string_view text, http::method asked, const head_limits& limits, response_head& into) {
  response_head_parser parser{into, limits};
  parser.skip(asked == method::head);
  if (!parser.parse(text)) return false;
  into.content_length = parser.length().value_or(0);
  if (asked == method::head || into.status < 200 || into.status == 204 || into.status == 304) {
    into.framing = framing::none;
  } else if (parser.is_chunked()) {
    into.framing = framing::chunked;
  } else if (parser.length()) {
    into.framing = into.content_length > 0 ? framing::length : framing::none;
  } else {
    into.framing = framing::until_close;
  }
  into.persistence = parser.keep_alive() ? persistence::keep_alive : persistence::close;
  return true;
}

}  // namespace weft::http::detail
