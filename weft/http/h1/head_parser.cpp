#include "weft/http/h1/head_parser.hpp"

#include <boost/beast/http/basic_parser.hpp>

#include "weft/http/h1/field_list.hpp"
#include "weft/http/h1/text.hpp"

// A response's head. Boost.Beast's parser does the grammar; it gets each head whole, so that it neither copies nor
// keeps anything. What the fields say about the framing and the connection is read here, as the lists that they are. On
// top of what Beast refuses, these are refused, since another program may read them otherwise than we do:
//   * Content-Length with values that differ; or with Transfer-Encoding, in either order
//   * lines that end with LF alone (head_scanner); CR alone, space before the colon (Beast)
// and where a body follows:
//   * Transfer-Encoding with a coding that is not known here, with chunked not once and last, or in an HTTP/1.0 message
namespace weft::http::detail {
namespace {

namespace beast = boost::beast::http;
using beast_error = boost::beast::error_code;
using beast_view = boost::beast::string_view;

std::string_view view(beast_view text) noexcept { return {text.data(), text.size()}; }

/// Gathers a response's fields and what they say about its framing.
class response_head_parser final : public beast::basic_parser<false> {
 public:
  response_head_parser(response_head& into, const head_limits& limits) noexcept : head_{into}, limits_{limits} {
    header_limit(UINT32_MAX);  // the caller's job
    body_limit(boost::none);
    into.fields.clear();
  }

  /// Runs the grammar over `text`; false when it does not fit, or when a field was refused.
  bool parse(std::string_view text) {
    beast_error error;
    put(boost::asio::const_buffer{text.data(), text.size()}, error);
    return !error;
  }

  /// Settles where the body ends (RFC 9112, 6.3) and whether the connection is kept; false when that is ambiguous, or
  /// when the body cannot be decoded.
  bool conclude(http::method asked) {
    if (codings_.present && length_) return false;
    head_.content_length = length_.value_or(0);
    if (asked == method::head || head_.status < 200 || head_.status == 204 || head_.status == 304) {
      head_.framing = framing::none;
    } else if (codings_.present) {
      if (codings_.malformed || codings_.encoded || head_.version < 11) return false;
      if (codings_.chunked && codings_.others) return false;
      head_.framing = codings_.chunked ? framing::chunked : framing::until_close;
    } else if (length_) {
      head_.framing = head_.content_length > 0 ? framing::length : framing::none;
    } else {
      head_.framing = framing::until_close;
    }
    const bool kept = head_.framing != framing::until_close && connection_.keep(head_.version);
    head_.persistence = kept ? persistence::keep_alive : persistence::close;
    return true;
  }

 private:
  static void reject(beast_error& error) { error = beast::error::bad_field; }

  void on_field_impl(beast::field name, beast_view name_text, beast_view value_text, beast_error& error) override {
    auto value = view(value_text);
    if (head_.fields.size() == limits_.max_header_fields) return reject(error);
    head_.fields.push_back({view(name_text), value});
    if (name == beast::field::content_length) {
      note_length(value, error);
    } else if (name == beast::field::transfer_encoding) {
      codings_.note(value);
    } else if (name == beast::field::connection || name == beast::field::proxy_connection) {
      connection_.note(value);
    }
  }

  /// One number, perhaps several times over (RFC 9112, 6.3): some servers and the proxy before them each add it.
  void note_length(std::string_view value, beast_error& error) {
    for (auto element : field_list{value}) {
      auto length = parse_decimal(element);
      if (!length || (length_ && *length_ != *length)) return reject(error);
      length_ = length;
    }
    if (!length_) reject(error);
  }

  void on_request_impl(beast::verb, beast_view, beast_view, int, beast_error&) override {}
  void on_response_impl(int code, beast_view, int version, beast_error&) override {
    head_.version = version;
    head_.status = static_cast<unsigned>(code);
  }
  void on_header_impl(beast_error&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast_error&) override {}
  std::size_t on_body_impl(beast_view body, beast_error&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, beast_view, beast_error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast_view body, beast_error&) override { return body.size(); }
  void on_finish_impl(beast_error&) override {}

  response_head& head_;
  const head_limits& limits_;
  std::optional<std::uint64_t> length_;
  transfer_codings codings_;
  connection_options connection_;
};

}  // namespace

bool parse_response_head(std::string_view text, http::method asked, const head_limits& limits, response_head& into) {
  response_head_parser parser{into, limits};
  parser.skip(asked == method::head);
  return parser.parse(text) && parser.conclude(asked);
}

}  // namespace weft::http::detail
