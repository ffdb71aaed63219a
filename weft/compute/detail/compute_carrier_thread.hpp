#pragma once

namespace weft::detail {

/// Names the calling thread and puts it below the seats in priority.
void become_compute_carrier() noexcept;

}  // namespace weft::detail
