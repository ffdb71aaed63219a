#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/base/detail/intrusive_list.hpp>
#include <weft/base/detail/spin_lock.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/sync/channel_user.hpp>
#include <weft/sync/detail/value_queue.hpp>
#include <weft/sync/detail/wait_for.hpp>
#include <weft/sync/detail/wait_list.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// Why a send failed, and the value that was not sent.
template <class T>
struct unsent {
  std::error_code reason;
  T value;
};

template <class T>
using send_result = std::expected<void, unsent<T>>;

/// Why a send of several values ended early, and how many were sent. The others are still where they were.
struct partly_sent {
  std::error_code reason;
  std::size_t sent;
};

/// As a capacity: no limit but memory.
inline constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

/// A first-in, first-out queue between any number of senders and receivers, virtual threads, coroutines and plain OS
/// threads alike.
///
/// Timed forms are named as std's are: recv_for(time), recv_until(point in time). For coroutines, and for any other
/// operation, there is with_timeout(x.async_recv(), time); for all that a block of code does, deadline_scope.
/// Thread: any, for every member, at the same time.
/// Lifetime: nobody uses it any more when it is destroyed; the destructor checks that nobody waits. A call of another
///   task that has already let its waiter go, and is returning, does no harm.
/// Order: values are received in the order in which they were sent, those of senders that waited in the order of their
///   waits' beginning. Waiting receivers are served in the order of their waits' beginning. What a sender did before
///   send() is visible to whoever receives that value.
template <class T>
class channel {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                "values are moved while the channel's lock is held: send a std::unique_ptr to a type that may throw");

 public:
  using value_type = T;

  /// `capacity` values may be under way; 0 makes every send wait for its receiver. A bounded channel allocates here and
  /// never again; an unbounded one whenever it grows.
  /// Throws capacity_error, a std::bad_alloc that says so, when `capacity` values do not fit into memory.
  explicit channel(std::size_t capacity) : limit_{capacity}, values_{capacity == unbounded ? 0 : capacity} {
    note_state();
  }
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  ~channel() {
    wakers_.dismiss(lock_);
    std::lock_guard guard{lock_};  // the last waker is gone
    WEFT_CHECK(senders_.empty() && receivers_.empty(), "a channel is destroyed only when nobody waits on it", "channel",
               this);
  }

  class send_operation;
  class recv_operation;
  class send_many_operation;
  class recv_many_operation;

  /// Waits while the channel is full. Fails with errc::closed after close(), and with std::errc::not_enough_memory when
  /// an unbounded channel cannot grow, and hands the value back.
  /// Parks.
  /// Cancel: the value is handed back; nobody has received it.
  [[nodiscard]] send_result<T> send(T value) { return await(async_send(std::move(value))); }
  [[nodiscard]] send_operation async_send(T value) { return send_operation{*this, std::move(value)}; }

  /// Waits while the channel is empty. After close(), drains what is left, then fails with errc::closed.
  /// Parks.
  /// Cancel: never loses a value; one already handed over is returned.
  [[nodiscard]] result<T> recv() { return await(async_recv()); }
  [[nodiscard]] recv_operation async_recv() noexcept { return recv_operation{*this}; }

  /// send() and recv() that wait no longer than that, and then fail with errc::timed_out. A time that has passed does
  /// not wait: what can happen at once does.
  /// Parks.
  /// Cancel: as send() and recv().
  [[nodiscard]] send_result<T> send_for(T value, time_span time) {
    return await(with_timeout(async_send(std::move(value)), time));
  }
  template <class Clock, class Duration>
  [[nodiscard]] send_result<T> send_until(T value, const std::chrono::time_point<Clock, Duration>& until) {
    return await(with_deadline(async_send(std::move(value)), until));
  }
  [[nodiscard]] result<T> recv_for(time_span time) { return await(with_timeout(async_recv(), time)); }
  template <class Clock, class Duration>
  [[nodiscard]] result<T> recv_until(const std::chrono::time_point<Clock, Duration>& until) {
    return await(with_deadline(async_recv(), until));
  }

  /// Sends all of `values`, in their order, and waits whenever the channel is full. Fails as send() does, and says how
  /// many were sent: those are moved from, the others are not. Those of other senders may come between.
  /// Parks.
  /// Cancel: what was sent stays sent.
  [[nodiscard]] std::expected<void, partly_sent> send_many(std::span<T> values) {
    return await(async_send_many(values));
  }
  [[nodiscard]] send_many_operation async_send_many(std::span<T> values) noexcept {
    return send_many_operation{*this, values};
  }

  /// Waits while the channel is empty, then appends to `into` what is there, up to `most` values, 1 at the least, and
  /// returns how many. After close(), drains what is left, then fails with errc::closed.
  /// Parks.
  /// Cancel: never loses a value; with one already handed over it succeeds.
  /// Throws std::bad_alloc before it took any value, or after it appended those that it took.
  [[nodiscard]] result<std::size_t> recv_many(std::vector<T>& into, std::size_t most) {
    return await(async_recv_many(into, most));
  }
  [[nodiscard]] recv_many_operation async_recv_many(std::vector<T>& into, std::size_t most) {
    return recv_many_operation{*this, into, most};
  }

  /// send() if that needs no wait; otherwise hands the value back, with errc::unavailable when the channel is full.
  [[nodiscard]] send_result<T> try_send(T value) {
    auto operation = async_send(std::move(value));
    if (operation.try_complete()) return operation.take();
    return operation.fail(errc::unavailable);
  }
  /// The next value, if there is one.
  [[nodiscard]] std::optional<T> try_recv() {
    auto operation = async_recv();
    if (!operation.try_complete()) return std::nullopt;
    return std::move(operation.value_);
  }

  /// No more sends: those that wait fail, and later ones. What is in the channel can still be received. Again: no
  /// effect.
  /// Does not wait; a virtual thread lets others run each time it has woken 64.
  void close() noexcept {
    wakers_.run(lock_, [this](detail::woken_waiters& woken) { return close_and_wake(woken); });
  }

  [[nodiscard]] bool is_closed() const noexcept {
    std::lock_guard guard{lock_};
    return closed_;
  }
  /// Values in the channel; may be old at once.
  [[nodiscard]] std::size_t size() const noexcept {
    std::lock_guard guard{lock_};
    return values_.size();
  }

  /// Receives until the channel is closed and empty, or the task is cancelled, or its deadline has passed: in a
  /// range-for.
  /// Parks.
  /// Cancel: as recv(); the loop ends.
  class iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    T& operator*() const noexcept { return *value_; }
    iterator& operator++() {
      value_.reset();
      if (auto next = from_->recv()) value_.emplace(std::move(*next));
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return !value_.has_value(); }

   private:
    friend class channel;
    explicit iterator(channel& from) : from_{&from} { ++*this; }
    channel* from_;
    mutable std::optional<T> value_;
  };
  /// For range-for: receives the first value.
  /// Parks.
  /// Cancel: as recv(); the loop ends.
  [[nodiscard]] iterator begin() { return iterator{*this}; }
  /// Where that ends.
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  using block_pointer = std::unique_ptr<typename detail::value_queue<T>::block>;

  /// Sees to it that an unbounded channel has a cell for one more value, without allocating under the lock; unless
  /// there is no memory.
  void make_room(std::unique_lock<base::spin_lock>& guard) noexcept {
    while (lacks_room()) {
      guard.unlock();
      block_pointer fresh{new (std::nothrow) block_pointer::element_type};
      guard.lock();
      if (!fresh) return;
      if (values_.needs_block()) values_.add(std::move(fresh));
    }
  }
  /// Whether an unbounded channel has no cell for another value. Under lock_.
  [[nodiscard]] bool lacks_room() const noexcept { return limit_ == unbounded && values_.needs_block(); }

  // What a send or a receive that needs no wait would find, for those who look without the lock first: a wait that
  // begins takes the lock once instead of twice, and a loop of try_recv() leaves those in peace who have work to do.
  // `is_plain`, the channel is open and nobody waits: values only go into the queue and out of it.
  static constexpr std::uint8_t can_receive = 1, can_send = 2, is_plain = 4;

  /// Under lock_, false is the truth, and so is `is_plain`.
  [[nodiscard]] bool hints_at(std::uint8_t what) const noexcept {
    // relaxed: only a hint. Who knows of a send, or a receive, sees its mark, since one variable has one order
    return (state_.load(std::memory_order_relaxed) & what) == what;
  }
  /// Under lock_.
  void note_state(bool receive, bool send, bool plain) noexcept {
    // relaxed: only a hint
    state_.store(
        static_cast<std::uint8_t>((receive ? can_receive : 0) | (send ? can_send : 0) | (plain ? is_plain : 0)),
        std::memory_order_relaxed);
  }
  /// After each change. Under lock_.
  void note_state() noexcept {
    if (closed_) [[unlikely]]
      return note_state(true, true, false);
    const auto sends = static_cast<unsigned>(!senders_.empty()), receives = static_cast<unsigned>(!receivers_.empty());
    const auto size = values_.size();
    // In numbers, without branches: half of all sends and receives come here. relaxed: only a hint
    state_.store(static_cast<std::uint8_t>(can_receive * (static_cast<unsigned>(size != 0) | sends) |
                                           can_send * (static_cast<unsigned>(size < limit_) | receives) |
                                           is_plain * ((sends | receives) ^ 1U)),
                 std::memory_order_relaxed);
  }

  // The common case, in line: a value goes into a plain channel that has room, or out of one that has values. False:
  // look at everything.
  [[nodiscard, gnu::always_inline]] bool send_plainly(T& value) noexcept {
    if (!hints_at(can_send | is_plain)) return false;
    std::lock_guard guard{lock_};
    if (!hints_at(can_send | is_plain) || values_.needs_block()) return false;
    values_.push(std::move(value));
    note_state(true, values_.size() < limit_, true);
    return true;
  }
  [[nodiscard, gnu::always_inline]] bool receive_plainly(std::optional<T>& into) noexcept {
    if (!hints_at(can_receive | is_plain)) return false;
    std::lock_guard guard{lock_};
    if (!hints_at(can_receive | is_plain) || values_.leaves_block()) return false;
    values_.pop(into);
    note_state(values_.size() != 0, true, true);
    return true;
  }

  /// Closes, and wakes a batch of those that wait. True when that were all; then the channel may be gone.
  bool close_and_wake(detail::woken_waiters& woken) noexcept {
    closed_ = true;
    std::size_t count = 0;
    auto end_waits_of = [&](auto& waiters) {
      while (count < detail::wakes_in_batch) {
        auto* waiter = waiters.pop_front();
        if (!waiter) return;
        waiter->node_->task->prefetch();
        waiter->done_ = true;
        if (woken.wake(*waiter->node_)) {
          ++count;
        } else {
          waiter->done_ = false;
        }
      }
    };
    end_waits_of(senders_);
    // Those that wait for a value: there is none, or they would not wait.
    end_waits_of(receivers_);
    note_state();
    return senders_.empty() && receivers_.empty();
  }

  // A value is moved to where its receiver looks for it before the receiver's wait is ended, and moved back when others
  // have decided about that wait: until the lock is free the waiter can go nowhere. So one exchange ends a wait.
  //
  // A task that selects between sending to and receiving from one channel is not its own partner: `self`, the task
  // whose operation looks for one, or null when it waits nowhere. All under lock_.

  /// Calls `hand_over(waiter)` with the oldest first, until the wait of one was ended; `take_back(waiter)` for the
  /// others.
  template <class Waiter, class HandOver, class TakeBack>
  [[gnu::always_inline]] static bool serve(base::intrusive_list<Waiter>& waiters, const sched::runnable* self,
                                           detail::woken_waiters& woken, HandOver hand_over,
                                           TakeBack take_back) noexcept {
    auto* oldest = waiters.front();
    if (!oldest) return false;
    __builtin_prefetch(waiters.next(*oldest), 1);  // it may have slept for long
    if (oldest->node_->task != self) [[likely]] {
      base::intrusive_list<Waiter>::remove(*oldest);
      hand_over(*oldest);
      if (woken.wake(*oldest->node_)) [[likely]]
        return true;
      take_back(*oldest);
    }
    return serve_others(waiters, self, woken, hand_over, take_back);
  }
  template <class Waiter, class HandOver, class TakeBack>
  [[gnu::noinline]] static bool serve_others(base::intrusive_list<Waiter>& waiters, const sched::runnable* self,
                                             detail::woken_waiters& woken, HandOver hand_over,
                                             TakeBack take_back) noexcept {
    for (auto* waiter = waiters.front(); waiter;) {
      auto& candidate = *waiter;
      waiter = waiters.next(candidate);
      if (candidate.node_->task == self) continue;
      waiters.remove(candidate);
      hand_over(candidate);
      if (woken.wake(*candidate.node_)) return true;
      take_back(candidate);
    }
    return false;
  }

  /// Gives `value` to a receiver that waits.
  bool give(T& value, const sched::runnable* self, detail::woken_waiters& woken) noexcept {
    return serve(
        receivers_, self, woken, [&](recv_operation& receiver) { receiver.deliver(std::move(value)); },
        [&](recv_operation& receiver) {
          std::destroy_at(&value);
          std::construct_at(&value, receiver.take_back());
        });
  }
  /// Takes the value of a sender that waits.
  bool take_from_sender(std::optional<T>& into, const sched::runnable* self, detail::woken_waiters& woken) noexcept {
    return serve(
        senders_, self, woken, [&](send_operation& sender) { into.emplace(sender.hand_over()); },
        [&](send_operation& sender) {
          sender.take_back(std::move(*into));
          into.reset();
        });
  }

  /// Sends without waiting, if that is possible. Under lock_, with room made where there is memory.
  bool send_now(T& value, const sched::runnable* self, detail::woken_waiters& woken) noexcept {
    if (give(value, self, woken)) return true;
    if (values_.size() >= limit_ || lacks_room()) return false;
    values_.push(std::move(value));
    return true;
  }
  /// Receives without waiting, if that is possible. A block that has become empty goes to `emptied`.
  bool receive_now(std::optional<T>& into, const sched::runnable* self, detail::woken_waiters& woken,
                   block_pointer& emptied) noexcept {
    if (values_.size() == 0) return take_from_sender(into, self, woken);
    values_.pop(into, emptied);
    if (senders_.empty()) return true;
    std::optional<T> next;  // there is room for one more now
    if (take_from_sender(next, self, woken)) values_.push(std::move(*next));
    return true;
  }

  /// Appends up to `most` values that are there.
  std::size_t drain(std::vector<T>& into, std::size_t most);
  /// Sends of `values` what needs no wait; the number of those. `why` no others can be sent, if it is not that the
  /// channel is full.
  std::size_t send_some(std::span<T> values, std::error_code& why) noexcept;

  template <class Waiter>
  [[nodiscard]] static bool any(base::intrusive_list<Waiter>& waiters, const sched::runnable* self) noexcept {
    auto* waiter = waiters.front();
    while (waiter && waiter->node_->task == self) waiter = waiters.next(*waiter);
    return waiter != nullptr;
  }

  mutable base::spin_lock lock_;  // guards all below
  std::atomic<std::uint8_t> state_{0};
  bool closed_ = false;
  std::size_t limit_;
  detail::value_queue<T> values_;
  base::intrusive_list<send_operation> senders_;
  base::intrusive_list<recv_operation> receivers_;
  detail::batch_wakers wakers_;
};

}  // namespace weft

#include <weft/sync/detail/channel_operations.hpp>
