#include <unwind.h>

#include <weft/stack/detail/context.hpp>

#include "weft/stack/detail/frames.hpp"

namespace weft::stack {
namespace {

struct collection {
  const void* first;  // the frames of the collecting itself come before it
  void** addresses;
  std::size_t capacity;
  std::size_t count = 0;
};

_Unwind_Reason_Code note(_Unwind_Context* frame, void* argument) {
  auto& found = *static_cast<collection*>(argument);
  auto* address = reinterpret_cast<void*>(_Unwind_GetIP(frame));
  if (found.count == 0 && address != found.first) return _URC_NO_REASON;
  if (found.count == found.capacity || address == nullptr) return _URC_END_OF_STACK;
  found.addresses[found.count++] = address;
  return _URC_NO_REASON;
}

void collect(void* argument) { _Unwind_Backtrace(&note, argument); }

}  // namespace

std::size_t context::backtrace(void** addresses, std::size_t capacity) const noexcept {
  const void* first = machine::resume_address(saved_);
  if (!machine::transparent || capacity == 0) return 0;
  collection found{first, addresses, capacity};
  machine::call_below(saved_, &collect, &found);
  return found.count;
}

namespace {

_Unwind_Reason_Code note_every(_Unwind_Context* frame, void* argument) {
  auto& found = *static_cast<collection*>(argument);
  const auto address = _Unwind_GetIP(frame);
  if (found.count == found.capacity || address == 0) return _URC_END_OF_STACK;
  // A return address lies behind the call.
  found.addresses[found.count++] = reinterpret_cast<void*>(address - 1);
  return _URC_NO_REASON;
}

}  // namespace

std::size_t backtrace_here(void** addresses, std::size_t capacity) noexcept {
  collection found{nullptr, addresses, capacity};
  _Unwind_Backtrace(&note_every, &found);
  return found.count;
}

}  // namespace weft::stack
