#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <weft/http/status.hpp>

namespace weft::http {

/// Thrown by a handler to answer with an error: {"error":{"code":…,"message":…}}.
class error : public std::runtime_error {
 public:
  /// `message` says what the client can do about it. `code` is a word for programs; empty: the status's own.
  error(http::status status, const std::string& message, std::string code = {})
      : std::runtime_error{message}, status_{status}, code_{std::move(code)} {}

  [[nodiscard]] http::status status() const noexcept { return status_; }
  [[nodiscard]] const std::string& code() const noexcept { return code_; }

 private:
  http::status status_;
  std::string code_;
};

}  // namespace weft::http
