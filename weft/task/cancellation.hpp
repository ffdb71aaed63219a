#pragma once

#include <weft/task/detail/task_base.hpp>

namespace weft {

/// A cancel was requested of the calling task, and no cancellation_shield is around it. Any kind of task.
[[nodiscard]] bool cancelled() noexcept;

/// While it lives, waits of the calling task are not cancelled. For clean-up that must wait.
class cancellation_shield {
 public:
  cancellation_shield() noexcept : task_{detail::current_task()} { ++task_.shields; }
  ~cancellation_shield() { --task_.shields; }
  cancellation_shield(const cancellation_shield&) = delete;
  cancellation_shield& operator=(const cancellation_shield&) = delete;

 private:
  detail::task_base& task_;
};

}  // namespace weft
