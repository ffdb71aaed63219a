#include <weft/parallel/splitting.hpp>

namespace weft::detail {

void throw_if_stopped() {
  auto why = this_compute_worker->root()->stopped();
  if (why != 0) throw std::system_error{static_cast<errc>(why)};
}

std::size_t carriers_here() noexcept {
  auto* home = runtime::current();
  auto* pool = home ? &home->compute_pool() : this_compute_worker ? this_compute_worker->pool() : nullptr;
  return pool ? pool->most_carriers() : 1;
}

}  // namespace weft::detail
