#pragma once

#include <cstddef>
#include <cstdint>

// The switch for processors that weft has no assembly for: Boost.Context's.

namespace weft::stack::machine {

/// Whether flows can be unwound, and a signal handler knows whose stack it interrupted.
inline constexpr bool transparent = false;

/// What a flow is while it does not run. Everything else is on its stack.
struct saved_flow {
  void* position = nullptr;        // a boost::context::detail::fcontext_t
  void (*entry)(void*) = nullptr;  // until the flow has begun
  void* argument = nullptr;
};

/// Where the calling function's stack ends, about.
[[nodiscard, gnu::always_inline]] inline std::uintptr_t stack_end() noexcept {
  return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

/// The lowest byte of its stack that a parked flow needs: not known.
[[nodiscard]] inline const std::byte* lowest_live(const saved_flow&) noexcept { return nullptr; }

/// Saves the running flow into `from` and goes on with `to`; returns when something switches to `from`. Carries what
/// Boost.Context carries on this processor.
void switch_flow(saved_flow& from, const saved_flow& to) noexcept;

/// Goes on with `to`, for good.
[[noreturn]] inline void end_flow(saved_flow& from, const saved_flow& to) noexcept {
  switch_flow(from, to);
  __builtin_unreachable();
}

}  // namespace weft::stack::machine
