#include "weft/runtime/detail/memory_pressure.hpp"

namespace weft::detail {

void memory_pressure::start(std::function<void()>) {}

void memory_pressure::start(int, std::function<void()>) {}

void memory_pressure::stop() noexcept {}

}  // namespace weft::detail
