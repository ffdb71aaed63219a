#pragma once

#include <weft/base/detail/thread_slot.hpp>
#include <weft/sched/detail/runnable.hpp>

namespace weft::sched {

WEFT_DECLARE_THREAD_SLOT(runnable, weft_this_runnable);

/// What the calling OS thread runs: a carrier, its task; any other, what it waits as, once it has. Otherwise null.
[[nodiscard]] inline runnable* this_runnable() noexcept {
  runnable* found;
  WEFT_LOAD_THREAD_SLOT(found, weft_this_runnable);
  return found;
}
inline void set_this_runnable(runnable* running) noexcept { WEFT_STORE_THREAD_SLOT(weft_this_runnable, running); }

}  // namespace weft::sched
