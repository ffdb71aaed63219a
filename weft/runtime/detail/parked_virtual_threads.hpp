#pragma once

#include <weft/stack/detail/parked_flows.hpp>

namespace weft::detail {

/// What a stack pool asks about virtual threads. Compiled without a sanitizer's instrumentation.
class parked_virtual_threads final : public stack::parked_flows {
 public:
  [[nodiscard]] std::uint64_t parked_in(const void* flow) noexcept override;
  [[nodiscard]] bool hold(void* flow, std::uint64_t wait) noexcept override;
  [[nodiscard]] const std::byte* lowest_live(const void* flow) noexcept override;
  [[nodiscard]] changed_word when_let_go(const void* flow) noexcept override;
  void let_go(void* flow) noexcept override;
};

/// Ends a hold. In a file of its own, with the instrumentation: the task runs elsewhere after it, and a sanitizer wants
/// to see in which order.
void let_go(class virtual_thread& task) noexcept;

}  // namespace weft::detail
