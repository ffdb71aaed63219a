#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <optional>

#include <errno.h>
#include <sys/types.h>

#include <weft/base/detail/intrusive_list.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/io/detail/descriptor.hpp>
#include <weft/stack/detail/parked_flows.hpp>

namespace weft::io {
class reactor;
}

// The table of descriptors: one entry for each number that the system gives out, never freed, so that a late event or a
// late caller finds an entry, sees that its generation has passed, and does nothing.
//
// The life of an entry is one word: generation, `closed`, and a count of uses.
//
//   vacant         closed, 0 uses. The number belongs to the system
//   attach():      open, 1 use: the owner's. By whoever got the number from the system
//   begin_use():   + 1 use, if the generation is the caller's and it is not closed. Keeps the number from being closed,
//                  and so from meaning another connection, during a system call
//   close():       + closed, once. Wakes everybody who waits, then gives the owner's use back
//   end_use():     - 1 use. Who gives the last one back retires the entry: next generation, no registration, and then,
//                  not before, the number goes back to the system
//
// Each side (receive, send) has a readiness word: `ready`, `hung_up`, and a count of the events seen.
//
//   ready             a system call may succeed: try. So it begins
//   not ready         the last call used up what there was. The reactor will report the next change: wait for it
//   hung up           no further change will come: stays ready whatever a short read seems to say
//
// Nothing is lost between a call that finds nothing and the event that reports something, since the caller clears
// `ready` only if no event was counted after it looked and before it called (found_nothing() and used_up()); and
// nothing between that and waiting, since arm() looks at `ready` under the lock under which events set it.

namespace weft::detail {

/// How ready a side was when somebody looked.
enum class readiness : std::uint32_t {};

/// What a reactor tells of a descriptor.
struct descriptor_events {
  bool receive = false;  ///< something to read, an end, or an error
  bool send = false;     ///< room to write, or an error
  bool hung_up = false;  ///< the peer sends no more, or an error: no later event may come for the receiving side
};

/// One entry of the table.
/// Thread: any.
class descriptor {
 public:
  /// Takes over a number from the system: non-blocking, close-on-exec. Closes it and fails when there is no
  /// entry for it.
  [[nodiscard]] static result<owned_descriptor> attach(int number);

  /// What a reactor knows a life of a descriptor by. Never 0; the highest bit is set.
  using token = std::uint64_t;

  /// A reactor's: makes known what happened, to whoever waits for it. Does nothing when that life is over.
  static void deliver(token life, descriptor_events events) noexcept;

  /// A reactor's: `life` cannot be watched, which whoever waits for it is told.
  static void refuse(token life, int error) noexcept;

  /// A reactor's: whether `life` goes on.
  [[nodiscard]] static bool is_registered(token life) noexcept;

  /// A reactor's, that begins anew: calls its add() for what is registered with it, from number `from` on, for some of
  /// it. Returns the number to go on from, or `no_number`.
  [[nodiscard]] static std::uint32_t register_again(io::reactor& home, std::uint32_t from) noexcept;
  static constexpr std::uint32_t no_number = ~std::uint32_t{0};

  /// A reactor's, at its end: nothing is registered with it any more.
  static void forget_reactor(io::reactor& gone) noexcept;

  /// A reactor's, which took over in io::reactor::remove(): gives the number of a retired entry back to the system.
  static void close_number(int number) noexcept;

  /// Whether some task waits for some descriptor. Looks at every entry. May be old at once.
  [[nodiscard]] static bool anyone_waits() noexcept;

  /// A reactor's, which asks itself in add_from_elsewhere() to watch the entry later.
  void begin_adding(token life) noexcept { adding_ = life; }
  [[nodiscard]] bool is_being_added() const noexcept { return adding_ != 0; }
  /// Later: what to watch.
  /// Thread: any; the lock is inside, as for none of the two above.
  [[nodiscard]] token take_added() noexcept;

  /// In lists of the reactor's until it has added, or removed, the entry.
  descriptor* next_added = nullptr;
  descriptor* next_removed = nullptr;
  [[nodiscard]] token removed_token() const noexcept { return removed_; }

 private:
  friend class descriptor_reference;
  friend class descriptor_use;

  // life_: generation in the upper half, then `closed`, then the count of uses
  static constexpr std::uint64_t closed = 1u << 31, uses = closed - 1;
  static constexpr int generation_shift = 32;
  static constexpr std::uint32_t generation_mask = 0x7fff'ffff;

  // readiness
  static constexpr std::uint32_t ready = 1, hung_up = 2, one_event = 4;

  struct side {
    std::atomic<std::uint32_t> readiness{ready};
    base::intrusive_list<sched::wait_node> waiters;  // guarded by lock_
  };

  [[nodiscard]] static descriptor* find(std::uint32_t number) noexcept;
  [[nodiscard]] static descriptor* find_or_make(std::uint32_t number) noexcept;
  [[nodiscard]] side& side_of(direction which) noexcept { return which == direction::receive ? receive_ : send_; }
  [[nodiscard]] std::uint32_t generation() const noexcept;
  [[nodiscard]] bool is_open(std::uint32_t generation) const noexcept;
  [[nodiscard]] token token_of(std::uint32_t generation) const noexcept;

  [[nodiscard]] bool begin_use(std::uint32_t generation) noexcept;
  void end_use() noexcept;
  void retire() noexcept;
  void register_with_reactor(std::uint32_t generation) noexcept;
  void wake(base::intrusive_list<sched::wait_node>& woken, side& which) noexcept;

  std::atomic<std::uint64_t> life_{closed};
  int number_ = -1;                         // never changes once the entry can be found
  std::atomic<int> registration_error_{0};  // an errno that whoever waited next is told
  base::spin_lock lock_;                    // guards the lists, home_, and the change of generation
  io::reactor* home_ = nullptr;             // where it is registered
  token adding_ = 0;                        // what the reactor has yet to watch, or 0; guarded by lock_
  token removed_ = 0;                       // what `remove` told the reactor
  side receive_;
  side send_;
};

/// Keeps a descriptor from being closed during a system call.
class descriptor_use {
 public:
  explicit descriptor_use(const descriptor_reference& reference) noexcept
      : entry_{reference.entry_ && reference.entry_->begin_use(reference.generation_) ? reference.entry_ : nullptr} {}
  ~descriptor_use() {
    if (entry_) entry_->end_use();
  }
  descriptor_use(const descriptor_use&) = delete;
  descriptor_use& operator=(const descriptor_use&) = delete;

  /// False: it was closed.
  explicit operator bool() const noexcept { return entry_ != nullptr; }
  [[nodiscard]] int number() const noexcept { return entry_->number_; }
  /// It was closed since, which shuts a socket down.
  [[nodiscard]] bool was_closed() const noexcept {
    // relaxed: the error of a call on a socket that was shut down comes after that, by the kernel's lock
    return (entry_->life_.load(std::memory_order_relaxed) & descriptor::closed) != 0;
  }

  /// Looks before a call.
  [[nodiscard]] readiness peek(direction side) const noexcept {
    // acquire: a call made after seeing an event sees what the event reported; pairs with deliver()
    return readiness{entry_->side_of(side).readiness.load(std::memory_order_acquire)};
  }
  [[nodiscard]] static bool is_ready(readiness seen) noexcept {
    return static_cast<std::uint32_t>(seen) & descriptor::ready;
  }

  /// A call found nothing to do after `seen`.
  void found_nothing(direction side, readiness seen) noexcept { clear(side, static_cast<std::uint32_t>(seen)); }

  /// A call after `seen` did less than it was asked to, so that the next would find nothing to do.
  void used_up(direction side, readiness seen) noexcept {
    auto before = static_cast<std::uint32_t>(seen);
    if (!(before & descriptor::hung_up)) clear(side, before);
  }

  /// The error that the reactor answered when the descriptor was to be registered, once; 0 when it did not fail.
  [[nodiscard]] int take_registration_error() noexcept;

 private:
  void clear(direction side, std::uint32_t before) noexcept {
    // Fails when an event came in between: the side stays ready. relaxed: only takes back what an event published, and
    // publishes nothing.
    entry_->side_of(side).readiness.compare_exchange_strong(before, before & ~descriptor::ready,
                                                            std::memory_order_relaxed);
  }

  descriptor* entry_;
};

/// Makes the buffer of a call that failed with EFAULT accessible, when it lies on the stack of a parked task that was
/// put away: the kernel does not bring it back itself. True: call again.
class buffer_on_parked_stack {
 public:
  buffer_on_parked_stack(const void* begin, std::size_t bytes) noexcept : begin_{begin}, bytes_{bytes} {}

  [[nodiscard]] bool is_back() noexcept { return ++tries_ <= most_tries && stack::bring_back(begin_, bytes_); }

  /// It may be put away again before the call looks at it, but hardly more often in a row.
  static constexpr int most_tries = 100;

 private:
  const void* begin_;
  std::size_t bytes_;
  int tries_ = 0;
};

/// Makes `call(number)`, a system call that returns -1 and sets errno when it fails, until it says something else than
/// EINTR. Empty: it would have to wait. errc::closed: the descriptor was closed.
/// `bring_back()` is asked after EFAULT whether to call again.
template <std::invocable<int> Call, std::predicate BringBack = bool(*)()>
[[nodiscard]] std::optional<result<std::size_t>> call_when_ready(
    const descriptor_reference& reference, direction side, std::size_t wanted, Call call,
    BringBack bring_back = [] { return false; }) {
  descriptor_use use{reference};
  if (!use) return failure(errc::closed);
  while (true) {
    auto seen = use.peek(side);
    if (!descriptor_use::is_ready(seen)) {
      if (int error = use.take_registration_error()) return failure_from_errno(error);
      return std::nullopt;
    }
    ssize_t done = call(use.number());
    if (done >= 0) {
      auto count = static_cast<std::size_t>(done);
      if (count != 0 && count < wanted) use.used_up(side, seen);
      return count;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      use.found_nothing(side, seen);
    } else if (const int error = errno; error != EINTR && !(error == EFAULT && bring_back())) {
      // What a call says of a socket that was shut down beneath it is nobody's business.
      return use.was_closed() ? failure(errc::closed) : failure_from_errno(error);
    }
  }
}

}  // namespace weft::detail
