#include <weft/base/detail/asymmetric_fence.hpp>

#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace weft::base {

void prepare_asymmetric_fence() noexcept {
#if defined(__linux__)
  // Written once, and every caller comes after it, those that call at the same time too.
  [[maybe_unused]] static const bool registered = detail::heavy_fence_reaches_all_cores =
      ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
#endif
}

void asymmetric_fence_heavy() noexcept {
#if defined(__linux__)
  if (detail::heavy_fence_reaches_all_cores && ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0) {
    return;
  }
#endif
  std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: pairs with the same in the light half
}

}  // namespace weft::base
