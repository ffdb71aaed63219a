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
    : stack_bytes_(usable_bytes(stack_bytes)),
      stride_bytes_(stack_bytes_ + memory::page_bytes()),
      guard_(guard == guard_method::best ? memory::best_guard() : guard) {
  stats_.guard = guard_;
}

stack_pool::~stack_pool() {
  WEFT_CHECK(stats_.in_use == 0, "a stack_pool was destroyed while stacks of its were in use: release them first");
  for (auto& area : reservations_) {
    for (std::size_t i = 0; i < area->carved; ++i) sanitizer::destroyed(*area->descriptor(i));
  }
}

result<slot*> stack_pool::allocate() {
  std::lock_guard lock{mutex_};
  slot* stack = nullptr;
  if (kept_ != nullptr) {
    stack = std::exchange(kept_, kept_->next);
    --stats_.kept;
  } else if (empty_ != nullptr) {
    stack = std::exchange(empty_, empty_->next);
    --stats_.empty;
  } else {
    auto carved = carve();
    if (!carved) return carved;
    stack = *carved;
  }
  stack->next = nullptr;
  stats_.most_in_use = std::max(stats_.most_in_use, ++stats_.in_use);
  return stack;
}

void stack_pool::release(slot* stack) noexcept {
  WEFT_CHECK(stack->pool_ == this, "a stack goes back to the pool that it came from");
  sanitizer::released(*stack);
  std::lock_guard lock{mutex_};
  stack->next = kept_;
  kept_ = stack;
  ++stats_.kept;
  --stats_.in_use;
}

std::size_t stack_pool::trim(std::size_t keep) noexcept {
  std::lock_guard lock{mutex_};
  slot** link = &kept_;
  for (std::size_t i = 0; i < keep && *link != nullptr; ++i) link = &(*link)->next;
  slot* idle = std::exchange(*link, nullptr);
  std::size_t emptied = 0;
  while (idle != nullptr) {
    slot* stack = std::exchange(idle, idle->next);
    memory::drop(stack->bottom(), stack->bytes());
    stack->next = empty_;
    empty_ = stack;
    ++emptied;
  }
  stats_.kept -= emptied;
  stats_.empty += emptied;
  return emptied;
}

/// A stack that was never used, with its guard. Called with the lock held.
result<slot*> stack_pool::carve() {
  if (reservations_.empty() || reservations_.back()->carved == reservations_.back()->count) {
    if (auto error = reserve()) return std::unexpected{error};
  }
  reservation& area = *reservations_.back();
  std::byte* guard = area.begin + area.carved * area.stride_bytes;
  if (auto error = memory::install_guard(guard, guard_)) return std::unexpected{error};
  slot* stack = new (area.descriptor(area.carved)) slot{guard + memory::page_bytes(), stack_bytes_, *this};
  ++area.carved;
  sanitizer::carved(*stack);
  return stack;
}

/// Reserves address space: as much again as there is, between the two bounds, and less when that is refused.
std::error_code stack_pool::reserve() {
  const std::size_t wanted_bytes =
      std::clamp(stats_.reserved_bytes, smallest_reservation_bytes, largest_reservation_bytes);
  for (std::size_t count = std::max<std::size_t>(wanted_bytes / stride_bytes_, 1); count > 0; count /= 2) {
    std::byte* begin = memory::reserve(count * stride_bytes_);
    if (begin == nullptr) continue;
    reservations_.push_back(std::make_unique<reservation>(begin, count, stride_bytes_));
    stats_.reserved_bytes += count * stride_bytes_;
    return {};
  }
  return {errno, std::system_category()};
}

std::string stack_pool::explain(std::error_code error) const {
  const statistics now = stats();
  return "No room for another stack of " + std::to_string(stack_bytes_) + " bytes (" + std::to_string(now.in_use) +
         " in use). " + memory::explain(error);
}

stack_pool::statistics stack_pool::stats() const {
  std::lock_guard lock{mutex_};
  return stats_;
}

}  // namespace weft::stack
