#pragma once

#include <expected>
#include <system_error>
#include <utility>

#include <weft/base/error.hpp>

/// What value() throws when a `weft::result` holds no value: what() is the reason.
template <>
class std::bad_expected_access<weft::error> : public std::bad_expected_access<void> {
 public:
  explicit bad_expected_access(weft::error reason) noexcept;
  [[nodiscard]] const char* what() const noexcept override { return text_; }

  [[nodiscard]] weft::error& error() & noexcept { return reason_; }
  [[nodiscard]] const weft::error& error() const& noexcept { return reason_; }
  [[nodiscard]] weft::error&& error() && noexcept { return std::move(reason_); }
  [[nodiscard]] const weft::error&& error() const&& noexcept { return std::move(reason_); }

 private:
  weft::error reason_;
  char text_[192];
};

namespace weft {

/// What an operation that a program must expect to fail returns: its value, or why there is none.
template <class T>
using result = std::expected<T, error>;

/// The error side of a `result`, from one of weft's conditions.
[[nodiscard]] inline std::unexpected<std::error_code> failure(errc condition) {
  return std::unexpected{make_error_code(condition)};
}

/// The error side of a `result`, from an errno value.
[[nodiscard]] inline std::unexpected<std::error_code> failure_from_errno(int value) {
  return std::unexpected{std::error_code{value, std::system_category()}};
}

}  // namespace weft
