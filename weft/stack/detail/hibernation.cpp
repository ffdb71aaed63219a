#include "weft/stack/detail/hibernation.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <mutex>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weft/base/detail/asymmetric_fence.hpp>
#include <weft/stack/detail/machine.hpp>

#include "weft/stack/detail/memory.hpp"
#include "weft/stack/detail/page_fill.hpp"
#include "weft/stack/detail/reservation.hpp"
#include "weft/stack/detail/reservation_registry.hpp"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef MADV_GUARD_REMOVE
#define MADV_GUARD_REMOVE 103
#endif

// CMake compiles this file without a sanitizer's instrumentation: see the header. System calls are made by syscall(),
// which no sanitizer intercepts, and words are copied by loops that no compiler turns into memcpy().

namespace weft::stack {
namespace {

constexpr std::size_t word_bytes = image::word_bytes;

/// A word of somebody's stack, of whatever type it was stored as.
using any_word [[gnu::may_alias]] = std::uint64_t;

void yield_core() noexcept { ::syscall(SYS_sched_yield); }

[[noreturn]] void die(std::string_view why) noexcept {
  static_cast<void>(!::syscall(SYS_write, STDERR_FILENO, why.data(), why.size()));
  std::abort();
}

[[noreturn]] void die_of_memory() noexcept { die("weft: a parked stack cannot be brought back: no memory\n"); }

// ---- fork()

// Transitions under way. A fork() waits until there are none, so that its child, in which nobody would end them, finds
// every stack settled.
std::atomic<int> transitions = 0;
std::atomic<long> forking_thread = 0;

class transition {
 public:
  transition() noexcept {
    for (;;) {
      // seq_cst: of the two, this thread and the one that forks, at least one sees the other's store
      transitions.fetch_add(1, std::memory_order_seq_cst);
      const long forks = forking_thread.load(std::memory_order_seq_cst);  // seq_cst: as above
      if (forks == 0 || forks == ::syscall(SYS_gettid)) return;
      transitions.fetch_sub(1, std::memory_order_release);  // release: as in the destructor
      yield_core();
    }
  }
  ~transition() {
    // release: what was done is in the memory that fork() copies; pairs with before_fork()
    transitions.fetch_sub(1, std::memory_order_release);
  }
  transition(const transition&) = delete;
  transition& operator=(const transition&) = delete;
};

void before_fork() noexcept {
  const long self = ::syscall(SYS_gettid);
  long nobody = 0;
  // seq_cst: see transition
  while (!forking_thread.compare_exchange_weak(nobody, self, std::memory_order_seq_cst)) {
    nobody = 0;
    yield_core();
  }
  while (transitions.load(std::memory_order_seq_cst) != 0) yield_core();  // seq_cst: see transition
}

void after_fork() noexcept {
  // release: the next fork() begins after this one
  forking_thread.store(0, std::memory_order_release);
}

// ---- memory

[[nodiscard]] bool try_protect(std::byte* begin, std::size_t bytes, int access) noexcept {
  return ::syscall(SYS_mprotect, begin, bytes, access) == 0;
}

/// For a change that must not fail. It can where the process has as many mappings as it may: then others, on their way
/// through here as well, give theirs back.
void protect(std::byte* begin, std::size_t bytes, int access) noexcept {
  constexpr int attempts = 100'000;
  for (int made = 0; !try_protect(begin, bytes, access); ++made) {
    if (made == attempts) {
      die("weft: a parked stack cannot be brought back: the process has as many memory mappings as vm.max_map_count "
          "allows. Raise it, or switch hibernation off (hibernate_after)\n");
    }
    yield_core();
  }
}

/// /proc/self/mem, through which a process can write to its memory whatever its protection. One that was opened before
/// a fork() is the parent's, and a program may have closed it: looks whether it still is what it was.
int memory_file() noexcept {
  static std::atomic<std::uint64_t> opened = 0;  // the process in the upper half, the descriptor in the lower
  static volatile const std::uint64_t mark = 0x7765'6674'2073'7461;
  const auto process = static_cast<std::uint64_t>(::syscall(SYS_getpid)) << 32;
  for (;;) {
    // relaxed: a number, and the file behind it is the kernel's matter
    auto seen = opened.load(std::memory_order_relaxed);
    const auto number = static_cast<int>(seen & 0xffff'ffff);
    if ((seen & ~std::uint64_t{0xffff'ffff}) == process) {
      std::uint64_t found = 0;
      if (::syscall(SYS_pread64, number, &found, sizeof found, &mark) == sizeof found && found == mark) return number;
    }
    const auto fresh = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR | O_CLOEXEC));
    if (fresh < 0) return -1;
    // relaxed: as above. Who comes second uses the first one's.
    if (opened.compare_exchange_strong(seen, process | static_cast<std::uint64_t>(fresh), std::memory_order_relaxed)) {
      return fresh;
    }
    ::syscall(SYS_close, fresh);
  }
}

[[nodiscard]] bool write_through(int file, const void* from, std::size_t bytes, std::byte* to) noexcept {
  const auto* rest = static_cast<const std::byte*>(from);
  while (bytes != 0) {
    const auto written = ::syscall(SYS_pwrite64, file, rest, bytes, to);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    rest += written;
    to += written;
    bytes -= static_cast<std::size_t>(written);
  }
  return true;
}

/// What a stack held, from its lowest live word up.
class reader {
 public:
  reader(const image& kept, const slot& stack) noexcept
      : kept_{&kept}, value_{kept.values()}, base_{reinterpret_cast<std::uintptr_t>(stack.bottom())} {}

  /// The next `count` words. Returns whether any is not zero.
  bool read(std::uint64_t* into, std::size_t count) noexcept {
    const std::byte* before = value_;
    for (std::size_t i = 0; i < count; ++i, ++at_) {
      const auto kind = kept_->kind_at(at_);
      into[i] = unpack(value_, kind, base_);
      value_ += image::packed_bytes(kind);
    }
    return value_ != before;
  }
  [[nodiscard]] std::size_t left() const noexcept { return kept_->words - at_; }

 private:
  const image* kept_;
  const std::byte* value_;
  std::uint64_t base_;
  std::size_t at_ = 0;
};

/// Writes what is left of an image, which ends at `top`, to pages that are zero.
[[nodiscard]] bool write_back(reader rest, std::byte* top) noexcept {
  const int file = memory_file();
  if (file < 0) return false;
  std::uint64_t piece[256];
  while (rest.left() != 0) {
    auto* to = top - rest.left() * word_bytes;
    const std::size_t count = std::min(rest.left(), std::size(piece));
    if (rest.read(piece, count) && !write_through(file, piece, count * word_bytes, to)) return false;
  }
  return true;
}

/// Puts back as many pages as it can, from the lowest live one up, each in one step. Returns where it stopped.
[[nodiscard]] std::byte* put_pages_back(reader& rest, std::byte* top, std::byte* end) noexcept {
  constexpr std::size_t page_bytes = page_fill::page_bytes;
  auto* lowest = top - rest.left() * word_bytes;
  auto* page = lowest - reinterpret_cast<std::uintptr_t>(lowest) % page_bytes;
  for (; page != end; page += page_bytes) {
    alignas(64) std::uint64_t words[page_bytes / word_bytes] = {};
    reader after = rest;
    const auto first = static_cast<std::size_t>(lowest > page ? lowest - page : 0) / word_bytes;
    after.read(words + first, std::min(after.left(), std::size(words) - first));
    if (!page_fill::put(page, words)) break;
    rest = after;
  }
  return page;
}

/// Whether all that hibernation does to memory works here.
[[nodiscard]] const char* obstacle_found_by_trying() noexcept {
  if (memory_file() < 0) return "/proc/self/mem cannot be opened";
  const std::size_t bytes = memory::page_bytes();
  void* place = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return "no memory to try it";
  auto* page = static_cast<std::byte*>(place);
  const std::uint64_t word = 0x1234'5678;
  std::uint64_t found = 0;
  const bool works = try_protect(page, bytes, PROT_NONE) && madvise(page, bytes, MADV_GUARD_INSTALL) == 0 &&
                     madvise(page, bytes, MADV_GUARD_REMOVE) == 0 &&
                     write_through(memory_file(), &word, sizeof word, page) &&
                     try_protect(page, bytes, PROT_READ | PROT_WRITE) &&
                     (found = *reinterpret_cast<volatile std::uint64_t*>(page)) == word;
  munmap(page, bytes);
  return works ? "" : "/proc/self/mem cannot be written to";
}

[[nodiscard]] const char* find_obstacle() noexcept {
  if (!machine::transparent) return "weft has no context switch of its own for this processor";
  if (memory::best_guard() != guard_method::advice) return "the kernel has no MADV_GUARD_INSTALL (Linux 6.13 or newer)";
  page_fill::prepare();
  const char* found = obstacle_found_by_trying();
  if (*found == '\0' && pthread_atfork(&before_fork, &after_fork, &after_fork) != 0) return "no memory";
  return found;
}

std::atomic<std::uint64_t> times_brought_back = 0;

}  // namespace

std::string_view hibernation_obstacle() noexcept {
  static const char* const found = find_obstacle();
  return found;
}

std::uint64_t brought_back() noexcept {
  // relaxed: a number
  return times_brought_back.load(std::memory_order_relaxed);
}

// ---- one slot

namespace {

[[nodiscard]] std::byte* end_of_pages(const slot& stack) noexcept {
  return stack.bottom() + stack.pool().stack_bytes();
}

/// The lowest live word of a held flow's stack; null when it is not on it, or too far down.
[[nodiscard]] const any_word* lowest_word(const slot& stack, const std::byte* live) noexcept {
  const std::byte* aligned = live - reinterpret_cast<std::uintptr_t>(live) % word_bytes;
  if (live == nullptr || aligned < stack.bottom() || aligned >= stack.top()) return nullptr;
  if (static_cast<std::size_t>(stack.top() - aligned) > image::most_words * word_bytes) return nullptr;
  return reinterpret_cast<const any_word*>(aligned);
}

/// Room for what is on the stack now. Null: none, or too much.
[[nodiscard]] image* room_for(const slot& stack, const std::byte* live) noexcept {
  const any_word* lowest = lowest_word(stack, live);
  if (lowest == nullptr) return nullptr;
  const auto base = reinterpret_cast<std::uintptr_t>(stack.bottom());
  const auto* top = reinterpret_cast<const any_word*>(stack.top());
  std::size_t packed = 0;
  for (const any_word* word = lowest; word != top; ++word) packed += image::packed_bytes(image::kind_of(*word, base));
  const image sizes{
      .next = nullptr, .words = static_cast<std::uint32_t>(top - lowest), .packed = static_cast<std::uint32_t>(packed)};
  auto* room = static_cast<image*>(std::malloc(sizes.bytes()));
  if (room != nullptr) *room = sizes;
  return room;
}

/// Copies the stack, of which `room` was made, while nobody can write to it. False: others have written there since,
/// and it does not fit; the next look tries again.
[[nodiscard]] bool fill(image& room, const slot& stack, const parked_flows::changed_word& change) noexcept {
  const auto base = reinterpret_cast<std::uintptr_t>(stack.bottom());
  const auto* lowest = reinterpret_cast<const any_word*>(stack.top()) - room.words;
  std::byte* value = room.values();
  const std::byte* end = value + room.packed;
  for (std::size_t begin = 0; begin < room.words; begin += image::kinds_in_a_word) {
    std::uint64_t kinds = 0;
    for (std::size_t i = begin; i < room.words && i < begin + image::kinds_in_a_word; ++i) {
      const std::uint64_t word = lowest + i == change.address ? change.value : lowest[i];
      const auto kind = image::kind_of(word, base);
      const std::size_t bytes = image::packed_bytes(kind);
      if (bytes > static_cast<std::size_t>(end - value)) return false;
      pack(value, word, kind, base);
      value += bytes;
      kinds |= static_cast<std::uint64_t>(kind) << (i - begin) * 2;
    }
    room.map()[begin / image::kinds_in_a_word] = kinds;
  }
  return true;
}

}  // namespace

void hibernation::set_state(slot& stack, std::uintptr_t state) noexcept {
  // release: whoever finds the stack settled finds its memory so, and the image whole; pairs with bring_back()
  stack.state_.store(state, std::memory_order_release);
}

void hibernation::bring_back(slot& stack) noexcept {
  // acquire, as below: the image, and what is on the stack
  while (stack.state_.load(std::memory_order_acquire) != awake) {
    transition under_way;
    auto state = stack.state_.load(std::memory_order_acquire);  // acquire: as above
    if (state == awake) return;
    // acquire: the image; pairs with set_state()
    if (state != in_transit &&
        stack.state_.compare_exchange_strong(state, in_transit, std::memory_order_acquire, std::memory_order_relaxed)) {
      return restore(stack, reinterpret_cast<image&>(*reinterpret_cast<std::byte*>(state)));
    }
    yield_core();
  }
}

void hibernation::restore(slot& stack, image& kept) noexcept {
  reader rest{kept, stack};
  std::byte* end = end_of_pages(stack);
  std::byte* live = stack.top() - kept.words * word_bytes;
  std::byte* page = put_pages_back(rest, stack.top(), end);
  if (page <= live) page = stack.bottom();  // none
  if (page != end) {
    const auto bytes = static_cast<std::size_t>(end - page);
    protect(page, bytes, PROT_NONE);
    if (::syscall(SYS_madvise, page, bytes, MADV_GUARD_REMOVE) != 0 || !write_back(rest, stack.top())) die_of_memory();
    protect(page, bytes, PROT_READ | PROT_WRITE);
  }
  // What is not live is below the pages that came back whole.
  const auto below = static_cast<std::size_t>(std::min(page, live) - stack.bottom());
  const auto dead = below - below % memory::page_bytes();
  if (dead != 0 && ::syscall(SYS_madvise, stack.bottom(), dead, MADV_GUARD_REMOVE) != 0) die_of_memory();
  stack.pool().forget(kept);
  stack.seen_wait_ = 0;  // who touched it may be about to hand it to the kernel: it stays for two looks
  times_brought_back.fetch_add(1, std::memory_order_relaxed);  // relaxed: a number
  set_state(stack, awake);
}

bool hibernation::settle(const void* address, bool is_instruction) noexcept {
  if (is_instruction) return false;
  const auto place = reservation_registry::find(address);
  // acquire: sees the descriptor; pairs with the release in stack_pool::carve()
  if (place.area == nullptr || place.in_guard || place.index >= place.area->carved.load(std::memory_order_acquire)) {
    return false;
  }
  // An awake stack can be read and written: it was not when the access was made.
  bring_back(*place.area->descriptor(place.index));
  return true;
}

bool bring_back(const void* begin, std::size_t bytes) noexcept {
  const auto* at = static_cast<const std::byte*>(begin);
  const auto* end = at + bytes;
  bool is_on_a_stack = false;
  while (at < end) {
    const auto place = reservation_registry::find(at);
    if (place.area == nullptr) break;
    is_on_a_stack = is_on_a_stack || !place.in_guard;
    static_cast<void>(hibernation::settle(at, false));
    at = place.area->guard(place.index + 1);
  }
  return is_on_a_stack;
}

// ---- putting away

namespace {

/// Drops the pages of neighbours that were copied, while every access to them faults. Where the kernel refuses, they
/// get back what they had.
void drop_pages(std::span<eviction> neighbours) noexcept {
  std::byte* begin = neighbours.front().stack->bottom();
  const auto bytes = static_cast<std::size_t>(end_of_pages(*neighbours.back().stack) - begin);
  if (::syscall(SYS_madvise, begin, bytes, MADV_GUARD_INSTALL) == 0) return;
  for (auto& each : neighbours) {
    std::byte* bottom = each.stack->bottom();
    if (::syscall(SYS_madvise, bottom, each.stack->pool().stack_bytes(), MADV_GUARD_REMOVE) != 0 ||
        !write_back(reader{*each.room, *each.stack}, each.stack->top())) {
      die_of_memory();
    }
    each.is_gone = false;
  }
}

}  // namespace

void hibernation::put_away(std::span<eviction> neighbours, parked_flows& flows) noexcept {
  transition under_way;
  for (auto& each : neighbours) set_state(*each.stack, in_transit);
  std::byte* begin = neighbours.front().stack->bottom();
  const auto bytes = static_cast<std::size_t>(end_of_pages(*neighbours.back().stack) - begin);
  if (try_protect(begin, bytes, PROT_READ)) {
    for (auto& each : neighbours) {
      const auto change = flows.when_let_go(each.flow);
      each.is_gone = change.address != nullptr && fill(*each.room, *each.stack, change);
      if (each.is_gone && each.stack->is_measured()) each.stack->measure();
    }
    if (try_protect(begin, bytes, PROT_NONE)) {
      for (std::size_t first = 0; first < neighbours.size();) {
        std::size_t last = first;
        while (last < neighbours.size() && neighbours[last].is_gone) ++last;
        if (last != first) drop_pages(neighbours.subspan(first, last - first));
        first = last + 1;
      }
    } else {
      for (auto& each : neighbours) each.is_gone = false;
    }
  }
  protect(begin, bytes, PROT_READ | PROT_WRITE);
  for (auto& each : neighbours) {
    set_state(*each.stack, each.is_gone ? reinterpret_cast<std::uintptr_t>(each.room) : awake);
  }
}

/// Looks at the slots from `first` to before `last`, and holds those flows whose turn it is.
std::size_t hibernation::choose(const reservation& area, std::size_t first, std::size_t last, parked_flows& flows,
                                patience how, eviction* chosen, put_away_counts& counts) noexcept {
  bool any = false;
  for (std::size_t i = first; i < last; ++i) {
    slot& stack = *area.descriptor(i);
    // acquire: what who brought it back has written; pairs with set_state()
    if (stack.state_.load(std::memory_order_acquire) != awake) continue;
    // relaxed: looked at again below
    if (stack.occupant_.load(std::memory_order_relaxed) == nullptr) continue;
    // relaxed: the fence orders it before the look at the occupant; pairs with slot::vacate()
    stack.being_scanned_.store(true, std::memory_order_relaxed);
    any = true;
  }
  if (!any) return 0;
  base::asymmetric_fence_heavy();
  std::size_t count = 0;
  for (std::size_t i = first; i < last; ++i) {
    slot& stack = *area.descriptor(i);
    // relaxed: this thread wrote it
    if (!stack.being_scanned_.load(std::memory_order_relaxed)) continue;
    void* flow = occupant_of(stack);
    const std::uint64_t wait = flow != nullptr ? flows.parked_in(flow) : 0;
    const bool is_first_scan = wait != stack.seen_wait_ && how == patience::second_scan;
    stack.seen_wait_ = wait;
    if (wait != 0 && is_first_scan) ++counts.waiting;
    // Once held it does not go: a flow that may be resumed is not over.
    if (wait != 0 && !is_first_scan && flows.hold(flow, wait)) chosen[count++] = {.stack = &stack, .flow = flow};
    // release: whoever waits in vacate() comes after the look
    stack.being_scanned_.store(false, std::memory_order_release);
  }
  return count;
}

/// Puts away those of the chosen, which are held and in order of their addresses, whose stacks can be.
void hibernation::put_away_chosen(std::span<eviction> chosen, parked_flows& flows, put_away_counts& counts) noexcept {
  for (auto& each : chosen) each.room = room_for(*each.stack, flows.lowest_live(each.flow));
  const std::size_t stride = chosen.front().stack->pool().stack_bytes() + memory::guard_bytes();
  for (std::size_t first = 0; first < chosen.size();) {
    std::size_t last = first;
    while (last < chosen.size() && chosen[last].room != nullptr && last - first < most_at_once &&
           chosen[last].stack->bottom() == chosen[first].stack->bottom() + (last - first) * stride) {
      ++last;
    }
    if (last != first) {
      put_away(chosen.subspan(first, last - first), flows);
    } else {
      ++last;  // stays
    }
    for (auto& each : chosen.subspan(first, last - first)) {
      if (each.is_gone) {
        ++counts.put_away;
      } else {
        std::free(each.room);
        flows.let_go(each.flow);
      }
    }
    first = last;
  }
}

put_away_counts stack_pool::put_away(parked_flows& flows, patience how) {
  put_away_counts counts;
  if (guard_ != guard_method::advice || !hibernation_obstacle().empty()) return counts;
  std::vector<const reservation*> areas;
  {
    std::lock_guard lock{growth_};
    for (const auto& each : reservations_) areas.push_back(each.get());
  }
  constexpr std::size_t at_once = 256;
  std::array<eviction, at_once> chosen;
  for (const reservation* area : areas) {
    // acquire: sees the descriptors; pairs with the release in carve()
    const std::size_t carved = area->carved.load(std::memory_order_acquire);
    for (std::size_t first = 0; first < carved; first += at_once) {
      const std::size_t last = carved - first < at_once ? carved : first + at_once;
      const std::size_t count = hibernation::choose(*area, first, last, flows, how, chosen.data(), counts);
      if (count != 0) hibernation::put_away_chosen({chosen.data(), count}, flows, counts);
    }
  }
  return counts;
}

void stack_pool::bring_all_back() noexcept {
  std::lock_guard lock{growth_};
  for (const auto& area : reservations_) {
    // relaxed: written under the lock that is held
    const std::size_t carved = area->carved.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < carved; ++i) hibernation::bring_back(*area->descriptor(i));
  }
}

// ---- images that are not needed any more

void stack_pool::forget(image& kept) noexcept {
  // relaxed: only a starting value
  kept.next = unneeded_images_.load(std::memory_order_relaxed);
  // release: who frees it comes after who read it; pairs with free_images()
  while (!unneeded_images_.compare_exchange_weak(kept.next, &kept, std::memory_order_release,
                                                 std::memory_order_relaxed)) {}
  // acquire: the event count; pairs with notify_when_brought_back()
  if (auto* listener = event_count_.load(std::memory_order_acquire)) listener->notify();
}

bool stack_pool::free_images() noexcept {
  // acquire: pairs with forget()
  image* each = unneeded_images_.exchange(nullptr, std::memory_order_acquire);
  const bool any = each != nullptr;
  while (each != nullptr) {
    image* next = each->next;
    std::free(each);
    each = next;
  }
  return any;
}

}  // namespace weft::stack
