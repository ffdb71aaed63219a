#include <weft/stack/detail/stack_pool.hpp>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>
#include <thread>
#include <utility>

#include <weft/base/check.hpp>
#include "weft/base/detail/thread_index.hpp"

#include "weft/stack/detail/hibernation.hpp"
#include "weft/stack/detail/memory.hpp"
#include "weft/stack/detail/reservation.hpp"
#include "weft/stack/detail/sanitizer.hpp"

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
    : stack_bytes_(usable_bytes(stack_bytes)),
      guard_(guard == guard_method::best ? memory::best_guard() : guard),
      magazines_(std::make_unique<std::array<magazine, magazine_count>>()) {}

stack_pool::~stack_pool() {
  WEFT_CHECK(stats().in_use == 0, "a stack_pool was destroyed while stacks of its were in use: release them first");
  for (auto& area : reservations_) {
    // relaxed: nobody else uses the pool any more
    const std::size_t carved = area->carved.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < carved; ++i) sanitizer::destroyed(*area->descriptor(i));
  }
  free_images();
}

void slot::wait_until_unobserved() const noexcept {
  // acquire: as in vacate()
  while (being_scanned_.load(std::memory_order_acquire)) std::this_thread::yield();
}

// Here, with a sanitizer's instrumentation, and not in hibernation.cpp: a sanitizer wants to see in which order.
void* hibernation::occupant_of(const slot& stack) noexcept {
  // acquire: sees the occupant whole; pairs with slot::occupy()
  return stack.occupant_.load(std::memory_order_acquire);
}

result<slot*> stack_pool::allocate() {
  if (auto* mine = magazine_here()) {
    // relaxed, also below: the thread's own; stats() reads whatever number is there
    auto count = mine->count.load(std::memory_order_relaxed);
    if (count == 0) [[unlikely]] {
      fill(*mine);
      count = mine->count.load(std::memory_order_relaxed);
    }
    if (count != 0) [[likely]] {
      mine->count.store(count - 1, std::memory_order_relaxed);
      return mine->stacks[count - 1];
    }
  } else if (auto* stack = take_released()) {
    return stack;
  }
  auto carved = carve();
  if (!carved) {
    // Somebody may have released one meanwhile.
    if (auto* stack = take_released()) return stack;
  }
  return carved;
}

void stack_pool::release(slot* stack) noexcept {
  WEFT_CHECK(stack->pool_ == this, "a stack goes back to the pool that it came from");
  sanitizer::released(*stack);
  if (auto* mine = magazine_here()) {
    // relaxed, also below: as in allocate()
    auto count = mine->count.load(std::memory_order_relaxed);
    if (count == magazine::capacity) [[unlikely]] {
      empty(*mine, magazine::capacity / 2);
      count = magazine::capacity / 2;
    }
    mine->stacks[count] = stack;
    mine->count.store(count + 1, std::memory_order_relaxed);
    return;
  }
  std::lock_guard lock{lock_};
  stack->next = std::exchange(kept_, stack);
  ++kept_count_;
}

stack_pool::magazine* stack_pool::magazine_here() noexcept {
  auto index = base::thread_index();
  return index < magazine_count ? &(*magazines_)[index] : nullptr;
}

/// The hottest of the lists that is not empty, with the lock held.
slot* stack_pool::pop_released() noexcept {
  slot*& list = kept_ != nullptr ? kept_ : trimmed_ != nullptr ? trimmed_ : empty_;
  if (list == nullptr) return nullptr;
  --(kept_ != nullptr ? kept_count_ : trimmed_ != nullptr ? trimmed_count_ : empty_count_);
  least_kept_ = std::min(least_kept_, kept_count_);
  return std::exchange(list, list->next);
}

/// Half of what fits, so that a thread that takes and gives by turns rarely needs the lock.
void stack_pool::fill(magazine& mine) noexcept {
  std::size_t count = 0;
  std::lock_guard lock{lock_};
  while (count < magazine::capacity / 2 && kept_ != nullptr) mine.stacks[count++] = pop_released();
  // One that takes no memory: more of them only when they are needed.
  if (count == 0) {
    if (auto* stack = pop_released()) mine.stacks[count++] = stack;
  }
  // The hottest was first in the list and is to be given out first.
  std::reverse(mine.stacks.begin(), mine.stacks.begin() + static_cast<std::ptrdiff_t>(count));
  mine.count.store(count, std::memory_order_relaxed);  // relaxed: as in allocate()
}

/// Gives all but the `leave` hottest to everybody.
void stack_pool::empty(magazine& mine, std::size_t leave) noexcept {
  auto count = mine.count.load(std::memory_order_relaxed);  // relaxed, also below: as in allocate()
  if (count <= leave) return;
  auto given = count - leave;
  for (std::size_t i = 1; i < given; ++i) mine.stacks[i]->next = mine.stacks[i - 1];
  {
    std::lock_guard lock{lock_};
    mine.stacks[0]->next = kept_;
    kept_ = mine.stacks[given - 1];
    kept_count_ += given;
  }
  std::copy(mine.stacks.begin() + static_cast<std::ptrdiff_t>(given),
            mine.stacks.begin() + static_cast<std::ptrdiff_t>(count), mine.stacks.begin());
  mine.count.store(leave, std::memory_order_relaxed);  // relaxed: as above
}

slot* stack_pool::take_released() noexcept {
  std::lock_guard lock{lock_};
  return pop_released();
}

std::size_t stack_pool::trim(std::size_t keep) noexcept {
  if (auto* mine = magazine_here()) empty(*mine, 0);
  {
    std::lock_guard lock{lock_};
    slot** link = &kept_;
    std::size_t kept = 0;
    for (; kept < keep && *link != nullptr; ++kept) link = &(*link)->next;
    if (trimmed_ == nullptr) {
      trimmed_ = std::exchange(*link, nullptr);
      trimmed_count_ = kept_count_ - kept;
      kept_count_ = kept;
    }
  }
  // A few at a time, without the lock, and those that wait for it can still be allocated.
  std::size_t emptied = 0;
  for (;;) {
    constexpr std::size_t at_once = 32;
    std::array<slot*, at_once> some;
    std::size_t count = 0;
    {
      std::lock_guard lock{lock_};
      for (; count < at_once && trimmed_ != nullptr; ++count) some[count] = std::exchange(trimmed_, trimmed_->next);
      trimmed_count_ -= count;
    }
    if (count == 0) return emptied;
    for (std::size_t i = 0; i < count; ++i) memory::drop(some[i]->bottom(), stack_bytes_);
    std::lock_guard lock{lock_};
    for (std::size_t i = 0; i < count; ++i) some[i]->next = std::exchange(empty_, some[i]);
    empty_count_ += count;
    emptied += count;
  }
}

std::size_t stack_pool::trim_idle() noexcept {
  // The way to the first that goes leads over those that stay, with the lock held: not if they are many. Then they are
  // in use by turns, and the next calls find fewer.
  constexpr std::size_t longest_way = 4096;
  std::size_t keep = 0;
  {
    std::lock_guard lock{lock_};
    const auto idle = std::exchange(least_kept_, kept_count_);
    keep = std::max(always_kept, kept_count_ - idle);
    if (keep >= kept_count_ || keep > longest_way) return 0;
  }
  return trim(keep);
}

bool stack_pool::has_more_than_always_kept() const noexcept {
  std::lock_guard lock{lock_};
  return kept_count_ > always_kept;
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
  slot* stack = new (area.descriptor(index))
      slot{guard + memory::guard_bytes(), stack_bytes_ - inset_bytes, *this, static_cast<std::uint32_t>(index)};
  // release: publishes the descriptor; pairs with the acquire in the fault handler
  area.carved.store(index + 1, std::memory_order_release);
  sanitizer::carved(*stack);
  std::lock_guard count_lock{lock_};
  ++made_;
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
    reserved_bytes_ += count * stride_bytes;
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
  statistics now;
  now.guard = guard_;
  // relaxed: exact when nobody allocates or releases meanwhile, whoever then asks is ordered after those who did
  for (const auto& each : *magazines_) now.kept += each.count.load(std::memory_order_relaxed);
  std::lock_guard lock{lock_};
  now.kept += kept_count_ + trimmed_count_;
  now.empty = empty_count_;
  now.made = made_;
  now.reserved_bytes = reserved_bytes_;
  auto idle = now.kept + now.empty;
  now.in_use = made_ > idle ? made_ - idle : 0;
  return now;
}

}  // namespace weft::stack
