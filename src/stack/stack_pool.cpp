#include <weft/stack/stack_pool.hpp>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>
#include <utility>

#include <weft/base/check.hpp>

#include <stack/memory.hpp>
#include <stack/reservation.hpp>
#include <stack/sanitizer.hpp>

namespace weft::stack {
namespace {

constexpr std::size_t smallest_reservation_bytes = std::size_t{64} << 20;
constexpr std::size_t cache_line_bytes = 64;
constexpr std::size_t largest_reservation_bytes = std::size_t{1} << 30;

std::size_t usable_bytes(std::size_t wanted) noexcept {
  const std::size_t page = memory::page_bytes();
  // So large that no kernel grants it, and small enough to calculate with.
  constexpr std::size_t ceiling = std::numeric_limits<std::size_t>::max() / 4;
  const std::size_t bytes = std::clamp(wanted, sanitizer::minimum_stack_bytes, ceiling);
  return (bytes + page - 1) / page * page;
}

}  // namespace

stack_pool::stack_pool(std::size_t stack_bytes, guard_method guard)
    : stack_bytes_(usable_bytes(stack_bytes)), guard_(guard == guard_method::best ? memory::best_guard() : guard) {
  stats_.guard = guard_;
}

stack_pool::~stack_pool() {
  WEFT_CHECK(stats_.in_use == 0, "a stack_pool was destroyed while stacks of its were in use: release them first");
  for (auto& area : reservations_) {
    // relaxed: nobody else uses the pool any more
    const std::size_t carved = area->carved.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < carved; ++i) sanitizer::destroyed(*area->descriptor(i));
  }
}

result<slot*> stack_pool::allocate() {
  slot* stack = take_released();
  if (stack != nullptr) return stack;
  auto carved = carve();
  if (!carved) {
    // Somebody may have released one meanwhile.
    stack = take_released();
    if (stack != nullptr) return stack;
    return carved;
  }
  std::lock_guard lock{lock_};
  stats_.most_in_use = std::max(stats_.most_in_use, ++stats_.in_use);
  return carved;
}

slot* stack_pool::take_released() noexcept {
  std::lock_guard lock{lock_};
  slot*& list = kept_ != nullptr ? kept_ : empty_;
  if (list == nullptr) return nullptr;
  --(kept_ != nullptr ? stats_.kept : stats_.empty);
  slot* stack = std::exchange(list, list->next);
  stack->next = nullptr;
  stats_.most_in_use = std::max(stats_.most_in_use, ++stats_.in_use);
  return stack;
}

void stack_pool::release(slot* stack) noexcept {
  WEFT_CHECK(stack->pool_ == this, "a stack goes back to the pool that it came from");
  sanitizer::released(*stack);
  std::lock_guard lock{lock_};
  stack->next = kept_;
  kept_ = stack;
  ++stats_.kept;
  --stats_.in_use;
}

std::size_t stack_pool::trim(std::size_t keep) noexcept {
  slot* idle = nullptr;
  {
    std::lock_guard lock{lock_};
    slot** link = &kept_;
    std::size_t kept = 0;
    for (; kept < keep && *link != nullptr; ++kept) link = &(*link)->next;
    idle = std::exchange(*link, nullptr);
    stats_.kept = kept;
  }
  // In nobody's list now, so the kernel is called without the lock.
  std::size_t emptied = 0;
  slot* last = nullptr;
  for (slot* stack = idle; stack != nullptr; stack = stack->next) {
    memory::drop(stack->bottom(), stack_bytes_);
    last = stack;
    ++emptied;
  }
  if (last == nullptr) return 0;
  std::lock_guard lock{lock_};
  last->next = empty_;
  empty_ = idle;
  stats_.empty += emptied;
  return emptied;
}

/// A stack that was never used, with its guard.
result<slot*> stack_pool::carve() {
  std::lock_guard lock{growth_};
  // relaxed, also below: written under the lock that is held
  if (reservations_.empty() ||
      reservations_.back()->carved.load(std::memory_order_relaxed) == reservations_.back()->count()) {
    if (auto error = reserve()) return std::unexpected{error};
  }
  reservation& area = *reservations_.back();
  // relaxed: written under mutex_, which is held
  const std::size_t index = area.carved.load(std::memory_order_relaxed);
  std::byte* guard = area.guard(index);
  if (auto error = memory::install_guard(guard, guard_)) return std::unexpected{error};
  const std::size_t inset_bytes = index * cache_line_bytes % (largest_inset_bytes + cache_line_bytes);
  slot* stack = new (area.descriptor(index)) slot{guard + memory::guard_bytes(), stack_bytes_ - inset_bytes, *this};
  // release: publishes the descriptor; pairs with the acquire in the fault handler
  area.carved.store(index + 1, std::memory_order_release);
  sanitizer::carved(*stack);
  return stack;
}

/// Reserves address space: as much again as there is, between two bounds, and less when that is refused. Called with
/// the growth lock held.
std::error_code stack_pool::reserve() try {
  const std::size_t stride_bytes = memory::guard_bytes() + stack_bytes_;
  const std::size_t reserved_bytes = stats().reserved_bytes;
  const std::size_t wanted_bytes = std::clamp(reserved_bytes, smallest_reservation_bytes, largest_reservation_bytes);
  int refusal = 0;
  for (std::size_t count = std::max<std::size_t>(wanted_bytes / stride_bytes, 1); count > 0; count /= 2) {
    auto area = std::make_unique<reservation>(count, stack_bytes_);
    if (area->begin() == nullptr) {
      refusal = errno;
      continue;
    }
    reservations_.push_back(std::move(area));
    std::lock_guard lock{lock_};
    stats_.reserved_bytes += count * stride_bytes;
    return {};
  }
  return {refusal, std::system_category()};
} catch (const std::bad_alloc&) {
  return {ENOMEM, std::system_category()};
}

std::string stack_pool::explain(std::error_code error) const {
  const statistics now = stats();
  const std::size_t stacks = now.in_use + now.kept + now.empty;
  return "No room for another stack of " + std::to_string(stack_bytes_) + " bytes (" + std::to_string(now.in_use) +
         " in use). " + memory::explain(error, guard_ == guard_method::split_protection ? 2 * stacks : 0);
}

stack_pool::statistics stack_pool::stats() const {
  std::lock_guard lock{lock_};
  return stats_;
}

}  // namespace weft::stack
