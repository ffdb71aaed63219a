#include "http/chunked_decoder.hpp"

#include <algorithm>
#include <cstring>

#include <boost/beast/http/basic_parser.hpp>

#include "http/text.hpp"

namespace weft::http::detail {
namespace {

namespace beast = boost::beast::http;
using beast_error = boost::beast::error_code;
using beast_view = boost::beast::string_view;

/// In all, of one body. Nobody uses chunk extensions but who wants to keep a server busy.
constexpr std::size_t max_extension_bytes = 4096;

}  // namespace

/// Beast keeps the state of the chunked coding inside its message parser, which therefore gets a head first.
class chunked_decoder::parser final : public beast::basic_parser<true> {
 public:
  explicit parser(std::uint64_t max_body_bytes) : left_of_limit_{max_body_bytes} {
    constexpr std::string_view head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    header_limit(UINT32_MAX);  // the caller bounds what it keeps unconsumed
    body_limit(boost::none);
    beast_error error;
    put(boost::asio::const_buffer{head.data(), head.size()}, error);
  }

  result<progress> decode(std::string_view from, std::span<std::byte> into) {
    output_ = into;
    progress done;
    while (!failure_ && !is_done() && done.consumed < from.size() && !output_.empty()) {
      auto rest = from.substr(done.consumed);
      beast_error error;
      done.consumed += put(boost::asio::const_buffer{rest.data(), rest.size()}, error);
      if (error == beast::error::need_more) break;
      if (error && !failure_) failure_ = errc::malformed;
    }
    done.produced = into.size() - output_.size();
    if (failure_) return std::unexpected{failure_};
    return done;
  }

 private:
  void on_chunk_header_impl(std::uint64_t size, beast_view extensions, beast_error& error) override {
    extension_bytes_ += extensions.size();
    auto is_bad = [](char c) { return is_control(c) && c != '\t'; };  // Beast lets them pass inside quotes
    if (std::any_of(extensions.begin(), extensions.end(), is_bad) || extension_bytes_ > max_extension_bytes) {
      failure_ = errc::malformed;
    } else if (size > left_of_limit_) {
      failure_ = errc::too_large;
    }
    if (failure_) error = beast::error::bad_chunk;
    left_of_limit_ -= std::min(size, left_of_limit_);
  }

  std::size_t on_chunk_body_impl(std::uint64_t, beast_view body, beast_error&) override {
    auto taken = std::min(body.size(), output_.size());
    std::memcpy(output_.data(), body.data(), taken);
    output_ = output_.subspan(taken);
    return taken;
  }

  void on_request_impl(beast::verb, beast_view, beast_view, int, beast_error&) override {}
  void on_response_impl(int, beast_view, int, beast_error&) override {}
  void on_field_impl(beast::field, beast_view, beast_view, beast_error&) override {}
  void on_header_impl(beast_error&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast_error&) override {}
  std::size_t on_body_impl(beast_view body, beast_error&) override { return body.size(); }
  void on_finish_impl(beast_error&) override {}

  std::uint64_t left_of_limit_;
  std::size_t extension_bytes_ = 0;
  std::span<std::byte> output_;
  std::error_code failure_;
};

chunked_decoder::chunked_decoder(std::uint64_t max_body_bytes) : parser_{std::make_unique<parser>(max_body_bytes)} {}
chunked_decoder::~chunked_decoder() = default;
chunked_decoder::chunked_decoder(chunked_decoder&&) noexcept = default;
chunked_decoder& chunked_decoder::operator=(chunked_decoder&&) noexcept = default;

result<chunked_decoder::progress> chunked_decoder::decode(std::string_view from, std::span<std::byte> into) {
  return parser_->decode(from, into);
}

bool chunked_decoder::finished() const noexcept { return parser_->is_done(); }

}  // namespace weft::http::detail
