#pragma once

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <source_location>
#include <utility>

#include <weft/task/detail/awaitable.hpp>

namespace weft::detail {

struct async_frame;

/// `transform(awaited)`: the awaitable itself or, for another library's, what awaits it on behalf of a coroutine of
/// weft's. See <weft/task/foreign_wait.hpp>.
template <class Awaitable>
struct awaited_by_weft;

/// A suspended coroutine, and whether it is one of weft's, of which more is known. As small as its handle.
class coroutine_link {
 public:
  coroutine_link() = default;
  template <class Promise>
  explicit coroutine_link(std::coroutine_handle<Promise> coroutine) noexcept
      : bits_{reinterpret_cast<std::uintptr_t>(coroutine.address())} {
    // Then the promise lies where that of any other of weft's does, with the frame at its beginning.
    if constexpr (std::derived_from<Promise, async_frame> && alignof(Promise) <= alignof(void*)) bits_ |= has_frame;
  }

  explicit operator bool() const noexcept { return bits_ != 0; }
  [[nodiscard]] std::coroutine_handle<> handle() const noexcept {
    return std::coroutine_handle<>::from_address(reinterpret_cast<void*>(bits_ & ~has_frame));
  }
  /// What is known of it; null where it is not one of weft's.
  [[nodiscard]] const async_frame* frame() const noexcept;

 private:
  static constexpr std::uintptr_t has_frame = 1;  // coroutines lie at even addresses
  std::uintptr_t bits_ = 0;
};

/// What a coroutine of weft's remembers for dumps: where it is suspended, and who awaits it.
struct async_frame {
  coroutine_link continuation;
  std::source_location suspended_at;

  /// Every co_await of the coroutine goes through here, which notes where it stands.
  template <awaitable Awaitable>
  [[nodiscard]] decltype(auto) await_transform(Awaitable&& awaited,
                                               std::source_location where = std::source_location::current()) {
    suspended_at = where;
    return awaited_by_weft<Awaitable>::transform(std::forward<Awaitable>(awaited));
  }
  template <class Other>
    requires(!awaitable<Other>)
  [[nodiscard]] auto await_transform(Other&&) noexcept {
    return refuse_to_await<Other>();
  }
};

inline const async_frame* coroutine_link::frame() const noexcept {
  if ((bits_ & has_frame) == 0) return nullptr;
  return &std::coroutine_handle<async_frame>::from_address(handle().address()).promise();
}

}  // namespace weft::detail
