#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace weft::http {

/// One line of a message's header.
/// Lifetime: that of the message it is part of.
struct header_field {
  std::string_view name;   ///< as it was sent; compare with equals_ignoring_case
  std::string_view value;  ///< without the white space around it
};

/// Whether both are the same but for the case of ASCII letters, as field names and many values compare.
[[nodiscard]] bool equals_ignoring_case(std::string_view left, std::string_view right) noexcept;

/// The value of the first field called `name`, in whichever case.
[[nodiscard]] std::optional<std::string_view> find_field(std::span<const header_field> fields,
                                                         std::string_view name) noexcept;

}  // namespace weft::http
