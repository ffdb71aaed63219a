#include <cstdint>

#include <boost/context/detail/fcontext.hpp>

#include "weft/stack/detail/frames.hpp"

namespace weft::stack::machine {
namespace {

namespace context = boost::context::detail;

/// Who switches to whom. Lies on the stack that is left, which nobody uses before its position is noted.
struct hand_over {
  saved_flow* from;
  const saved_flow* to;
};

/// Boost tells where the flow that was left stands only to the one that goes on, which notes it.
const saved_flow& arrive(context::transfer_t transfer) noexcept {
  const auto& switched = *static_cast<hand_over*>(transfer.data);
  switched.from->position = transfer.fctx;
  return *switched.to;
}

void begin(context::transfer_t transfer) noexcept {
  const saved_flow& self = arrive(transfer);
  weft_stack_enter(self.entry, self.argument);
}

}  // namespace

void switch_flow(saved_flow& from, const saved_flow& to) noexcept {
  hand_over switched{&from, &to};
  arrive(context::jump_fcontext(to.position, &switched));
}

void prepare(saved_flow& fresh, std::byte* stack_top, void (*entry)(void*), void* argument) noexcept {
  // Its second argument, the size, is of use only where stacks can grow.
  auto* aligned = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(stack_top) & ~std::uintptr_t{15});
  fresh.position = context::make_fcontext(aligned, 0, &begin);
  fresh.entry = entry;
  fresh.argument = argument;
}

const void* resume_address(const saved_flow&) noexcept { return nullptr; }

void call_below(const saved_flow&, void (*)(void*), void*) noexcept {}

std::uintptr_t interrupted_stack_pointer(const void*) noexcept { return 0; }

std::uintptr_t interrupted_instruction(const void*) noexcept { return 0; }

}  // namespace weft::stack::machine
