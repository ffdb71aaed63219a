#include "weft/runtime/detail/parked_virtual_threads.hpp"

#include <weft/task/detail/virtual_thread.hpp>

namespace weft::detail {

std::uint64_t parked_virtual_threads::parked_in(const void* flow) noexcept {
  const auto& task = *static_cast<const virtual_thread*>(flow);
  const auto wait = task.parked_in();
  return task.keeps_stack() ? 0 : wait;
}

bool parked_virtual_threads::hold(void* flow, std::uint64_t wait) noexcept {
  return static_cast<virtual_thread*>(flow)->hold(wait);
}

const std::byte* parked_virtual_threads::lowest_live(const void* flow) noexcept {
  return static_cast<const virtual_thread*>(flow)->lowest_live();
}

stack::parked_flows::changed_word parked_virtual_threads::when_let_go(const void* flow) noexcept {
  const auto& task = *static_cast<const virtual_thread*>(flow);
  const auto value = task.word_when_let_go();
  return {.address = value != 0 ? task.word_address() : nullptr, .value = value};
}

void parked_virtual_threads::let_go(void* flow) noexcept { detail::let_go(*static_cast<virtual_thread*>(flow)); }

}  // namespace weft::detail
