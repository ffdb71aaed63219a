#include <atomic>
#include <cstdint>

#include <weft/base/random.hpp>
#include <weft/task/select_machine.hpp>

namespace weft::detail {

[[gnu::noinline]] std::size_t random_start(std::size_t cases) noexcept {
  static std::atomic<std::uint64_t> seeds{1};
  // relaxed: any number will do
  static thread_local base::random random{seeds.fetch_add(1, std::memory_order_relaxed)};
  asm volatile("" ::: "memory");
  return random.below(static_cast<std::uint32_t>(cases));
}

}  // namespace weft::detail
