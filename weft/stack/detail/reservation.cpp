#include "weft/stack/detail/reservation.hpp"

#include "weft/stack/detail/page_fill.hpp"
#include "weft/stack/detail/reservation_registry.hpp"

namespace weft::stack {

reservation::reservation(std::size_t stack_count, std::size_t stack_bytes)
    : count_(stack_count),
      stack_bytes_(stack_bytes),
      space_(stack_count * (memory::guard_bytes() + stack_bytes + sizeof(slot))) {
  if (begin() == nullptr) return;
  page_fill::register_pages(begin(), bytes());
  reservation_registry::add(*this);
}

reservation::~reservation() { reservation_registry::remove(*this); }

}  // namespace weft::stack
