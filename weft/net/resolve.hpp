#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <weft/base/clock.hpp>
#include <weft/base/containers.hpp>
#include <weft/base/result.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/task/task.hpp>

namespace weft {

/// Why a name has no address. A name server that does not answer in time is errc::timed_out, what cannot be a name
/// errc::malformed.
enum class resolve_errc {
  no_such_host = 1,  ///< nobody has this name, or it has no address
  no_answer,         ///< the name servers failed, refused or answered nonsense
};

/// The category of `resolve_errc`: its name is "weft.resolve".
[[nodiscard]] const std::error_category& resolve_category() noexcept;

/// Found by argument-dependent look-up, so that a `resolve_errc` converts to `std::error_code`.
[[nodiscard]] inline std::error_code make_error_code(resolve_errc condition) noexcept {
  return {static_cast<int>(condition), resolve_category()};
}

struct resolve_options {
  /// Whom to ask; empty: whom the system asks (/etc/resolv.conf).
  plain::vector<endpoint> servers;
  /// How long a server may take; doubled each time all were asked. Zero: the system's choice.
  time_span timeout{};
  /// How often each server is asked. Zero: the system's choice.
  unsigned tries = 0;
};

/// The addresses of `host`, best first: of a number itself, of a name what /etc/hosts says, or else the name servers.
/// Parks.
/// Cancel: the question is withdrawn.
[[nodiscard]] result<plain::vector<endpoint>> resolve(std::string_view host, std::uint16_t port,
                                                      const resolve_options& options = {});
[[nodiscard]] task<result<plain::vector<endpoint>>> async_resolve(std::string host, std::uint16_t port,
                                                                  resolve_options options = {});

}  // namespace weft

template <>
struct std::is_error_code_enum<weft::resolve_errc> : std::true_type {};
