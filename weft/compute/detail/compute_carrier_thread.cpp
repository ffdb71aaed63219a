#include "weft/compute/detail/compute_carrier_thread.hpp"

#include "weft/base/detail/own_thread.hpp"
#include "weft/sched/detail/thread_state.hpp"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace weft::detail {

void become_compute_carrier() noexcept {
  base::become_own_thread("weft-compute");
#if defined(__linux__)
  sched::run_after_seats(static_cast<int>(::syscall(SYS_gettid)));
#endif
}

}  // namespace weft::detail
