#include <weft/compute/detail/compute_pool.hpp>
#include <weft/parallel/detail/splitting.hpp>
#include <weft/task/detail/host.hpp>

namespace weft::detail {

bool is_stopped() noexcept {
  auto& root = *this_compute_carrier->root();
  if (root.stopped() == 0) return false;
  root.leave_out();
  return true;
}

void fail_here() noexcept { this_compute_carrier->fail(std::current_exception()); }

std::size_t carriers_here() noexcept {
  auto* home = host::current();
  auto* pool = home ? &home->compute_pool() : this_compute_carrier ? this_compute_carrier->pool() : nullptr;
  return pool ? pool->most_carriers() : 1;
}

}  // namespace weft::detail
