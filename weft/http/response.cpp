#include <weft/http/response.hpp>

#include "weft/http/h1/response_writer.hpp"

namespace weft::http {

response& response::header(std::string_view name, std::string_view value) {
  writer_->add_field(name, value);
  return *this;
}

response& response::status(http::status value) {
  writer_->set_status(value);
  return *this;
}

response& response::close_connection() {
  writer_->set_close();
  return *this;
}

void response::send(std::string_view content_type, std::span<const std::byte> body) {
  writer_->send_whole(content_type, body);
}

void response::send(std::string_view content_type, std::string_view body) {
  writer_->send_whole(content_type, std::as_bytes(std::span{body}));
}

void response::error(http::status value, std::string_view message, std::string_view code) {
  writer_->send_error(value, code, message);
}

response& response::content_length(std::uint64_t bytes) {
  writer_->set_length(bytes);
  return *this;
}

result<void> response::write(std::span<const std::byte> piece) { return writer_->write(piece); }
result<void> response::write(std::string_view piece) { return writer_->write(std::as_bytes(std::span{piece})); }
result<void> response::flush() { return writer_->flush(); }

bool response::answered() const noexcept { return writer_->answered(); }
http::status response::status() const noexcept { return writer_->status(); }
std::uint64_t response::body_bytes() const noexcept { return writer_->body_bytes(); }

}  // namespace weft::http
