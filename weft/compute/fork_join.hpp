#pragma once

#include <type_traits>
#include <utility>

#include <weft/compute/detail/computation.hpp>
#include <weft/compute/parallel_task.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// fork_join(f, args...) as an operation. The arguments are copied, or moved, into it, and passed as they lie there.
template <class F, class... Args>
  requires detail::begins_parallel_task<std::decay_t<F>&, std::decay_t<Args>&...>
[[nodiscard]] auto async_fork_join(F&& f, Args&&... args) {
  return detail::fork_join_operation<std::decay_t<F>, std::decay_t<Args>...>{std::forward<F>(f),
                                                                             std::forward<Args>(args)...};
}

/// Runs the parallel_task `f(args...)` with all that it forks on the compute carriers, and gives its value or throws
/// what it threw. Fork-join code on a compute carrier that calls it takes part; a plain OS thread outside of run()
/// computes it alone.
/// Parks.
/// Cancel: no new child begins, join() and call() throw std::system_error (errc::cancelled, errc::timed_out), and when
///   those that have begun are through, this throws it too, unless the computation was over before it noticed.
template <class F, class... Args>
  requires detail::begins_parallel_task<std::decay_t<F>&, std::decay_t<Args>&...>
auto fork_join(F&& f, Args&&... args) {
  return await(async_fork_join(std::forward<F>(f), std::forward<Args>(args)...));
}

}  // namespace weft
