#pragma once

#include <cstddef>
#include <expected>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/base/intrusive_list.hpp>
#include <weft/base/spin_lock.hpp>
#include <weft/sync/value_queue.hpp>
#include <weft/sync/wait_list.hpp>
#include <weft/task/known_end.hpp>
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

/// As a capacity: no limit but memory.
inline constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

/// A first-in, first-out queue between any number of senders and receivers, virtual threads, coroutines and plain OS
/// threads alike.
/// Thread    any, for every member, at the same time.
/// Lifetime  nobody uses it any more when it is destroyed; the destructor checks that nobody waits. A call of another
///           task that has already let its waiter go, and is returning, does no harm.
/// Order     values are received in the order in which they were sent, those of senders that waited in the order of
///           their waits' beginning. Waiting receivers are served in the order of their waits' beginning. What a sender
///           did before send() is visible to whoever receives that value.
template <class T>
class channel {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                "values are moved while the channel's lock is held: send a std::unique_ptr to a type that may throw");

 public:
  using value_type = T;

  /// `capacity` values may be under way; 0 makes every send wait for its receiver. A bounded channel allocates here and
  /// never again; an unbounded one whenever it grows.
  /// Throws std::bad_alloc when `capacity` values do not fit into memory.
  explicit channel(std::size_t capacity) : limit_{capacity}, values_{capacity == unbounded ? 0 : capacity} {}
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  ~channel() {
    std::lock_guard guard{lock_};  // the last waker is gone
    WEFT_CHECK(senders_.empty() && receivers_.empty(), "a channel is destroyed only when nobody waits on it");
  }

  class send_operation;
  class recv_operation;

  /// Waits while the channel is full. Fails with errc::closed after close(), and hands the value back.
  /// Parks. Cancel: the value is handed back; nobody has received it.
  /// Throws std::bad_alloc when an unbounded channel cannot grow; the value is lost.
  [[nodiscard]] send_result<T> send(T value) { return await(async_send(std::move(value))); }
  [[nodiscard]] send_operation async_send(T value) { return send_operation{*this, std::move(value)}; }

  /// Waits while the channel is empty. After close(), drains what is left, then fails with errc::closed.
  /// Parks. Cancel never loses a value: one already handed over is returned.
  [[nodiscard]] result<T> recv() { return await(async_recv()); }
  [[nodiscard]] recv_operation async_recv() noexcept { return recv_operation{*this}; }

  /// Sends if that needs no wait; otherwise hands the value back, with errc::unavailable when the channel is full.
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
    while (!close_and_wake(64)) detail::let_others_run();
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

  /// Receives until the channel is closed and empty, or the task is cancelled, or its deadline has passed.
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
  [[nodiscard]] iterator begin() { return iterator{*this}; }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  using block_pointer = std::unique_ptr<typename detail::value_queue<T>::block>;

  /// Sees to it that an unbounded channel has a cell for one more value, without allocating under the lock.
  void make_room(std::unique_lock<base::spin_lock>& guard) {
    while (limit_ == unbounded && values_.needs_block()) {
      guard.unlock();
      auto fresh = std::make_unique<typename block_pointer::element_type>();
      guard.lock();
      if (values_.needs_block()) values_.add(std::move(fresh));
    }
  }

  /// Closes, and wakes up to `most` of those that wait. True when that were all; then the channel may be gone.
  bool close_and_wake(std::size_t most) noexcept {
    detail::claimed_waiters claimed;  // told after the lock was let go
    std::lock_guard guard{lock_};
    closed_ = true;
    auto end_waits_of = [&](auto& waiters) {
      while (most > 0) {
        auto* waiter = claim(waiters, nullptr);
        if (!waiter) break;
        waiter->done_ = true;
        waiter->node_->task->prefetch();
        claimed.add(*waiter->node_);
        --most;
      }
    };
    end_waits_of(senders_);
    // Those that wait for a value: there is none, or they would not wait.
    end_waits_of(receivers_);
    return senders_.empty() && receivers_.empty();
  }

  // A task that selects between sending to and receiving from one channel is not its own partner: `self`, the task
  // whose operation looks for one, or null when it waits nowhere. Under lock_.
  template <class Waiter>
  [[nodiscard]] static Waiter* claim(base::intrusive_list<Waiter>& waiters, const sched::runnable* self) noexcept {
    for (auto* waiter = waiters.front(); waiter;) {
      auto* candidate = waiter;
      waiter = waiters.next(*waiter);
      __builtin_prefetch(waiter, 1);  // it may have slept for long
      if (candidate->node_->task == self) continue;
      waiters.remove(*candidate);
      if (candidate->node_->claim()) return candidate;
    }
    return nullptr;
  }
  template <class Waiter>
  [[nodiscard]] static bool any(base::intrusive_list<Waiter>& waiters, const sched::runnable* self) noexcept {
    auto* waiter = waiters.front();
    while (waiter && waiter->node_->task == self) waiter = waiters.next(*waiter);
    return waiter != nullptr;
  }

  mutable base::spin_lock lock_;  // guards all below
  std::size_t limit_;
  detail::value_queue<T> values_;
  bool closed_ = false;
  base::intrusive_list<send_operation> senders_;
  base::intrusive_list<recv_operation> receivers_;
};

/// channel::async_send(). Holds the value until it is sent.
template <class T>
class channel<T>::send_operation : base::list_hook {
 public:
  using value_type = send_result<T>;
  static constexpr wait_kind kind = wait_kind::channel;
  send_operation(channel& to, T value) noexcept : to_{&to}, value_{std::move(value)} {}
  send_operation(send_operation&& other) noexcept : to_{other.to_}, value_{std::move(other.value_)} {}

  /// What was not sent, after a select in which another case happened.
  [[nodiscard]] T& value() noexcept { return value_; }

  bool try_complete() {
    wait_node* woken = nullptr;
    {
      std::unique_lock guard{to_->lock_};
      to_->make_room(guard);
      if (!can_proceed(nullptr)) return false;
      woken = proceed(nullptr);
    }
    if (woken) woken->notify();
    return done_;
  }
  bool arm(wait_node& node) {
    wait_node* woken = nullptr;
    {
      std::lock_guard guard{to_->lock_};
      node_ = &node;
      if (!can_proceed(node.task)) {
        to_->senders_.push_back(*this);
        return false;
      }
      // Its own wait first: a receiver, once claimed, has to be given a value.
      if (!node.claim()) return false;
      woken = proceed(node.task);
    }
    if (woken) woken->notify();
    return true;
  }
  void disarm(wait_node& node) noexcept {
    if (node.claimed) return;  // taken out by whoever claimed it; the channel may be gone
    std::lock_guard guard{to_->lock_};
    if (this->is_linked()) base::intrusive_list<send_operation>::remove(*this);
  }
  bool finish() const noexcept { return done_; }
  value_type take() {
    if (sent_) return {};
    return fail(errc::closed);
  }
  void describe(detail::wait_description& into) const { detail::describe_channel(into, to_, channel_side::receives); }
  value_type fail(errc condition) { return std::unexpected{unsent<T>{make_error_code(condition), std::move(value_)}}; }

 private:
  friend class channel;
  template <class U>
  friend class base::intrusive_list;

  [[nodiscard]] bool has_room() const noexcept { return to_->values_.size() < to_->limit_; }
  [[nodiscard]] bool can_proceed(const sched::runnable* self) const noexcept {
    return to_->closed_ || has_room() || any(to_->receivers_, self);
  }
  /// Returns whom to notify. Not done when every receiver there was turned out to be decided by others.
  [[nodiscard]] wait_node* proceed(const sched::runnable* self) noexcept {
    if (to_->closed_) {
      done_ = true;
      return nullptr;
    }
    if (auto* receiver = claim(to_->receivers_, self)) {
      receiver->deliver(hand_over());
      return receiver->node_;
    }
    if (has_room()) to_->values_.push(hand_over());
    return nullptr;
  }
  [[nodiscard]] T&& hand_over() noexcept {
    sent_ = done_ = true;
    return std::move(value_);
  }

  channel* to_;
  wait_node* node_ = nullptr;
  T value_;
  bool sent_ = false;
  bool done_ = false;
};

/// channel::async_recv(). One that a select refers to can be used again, whether it happened or not.
template <class T>
class channel<T>::recv_operation : base::list_hook {
 public:
  using value_type = result<T>;
  static constexpr wait_kind kind = wait_kind::channel;
  explicit recv_operation(channel& from) noexcept : from_{&from} {}
  recv_operation(recv_operation&& other) noexcept : from_{other.from_} {}

  bool try_complete() {
    block_pointer emptied;  // freed after the lock was let go
    wait_node* woken = nullptr;
    {
      std::lock_guard guard{from_->lock_};
      if (!can_proceed(nullptr)) return false;
      woken = proceed(nullptr, emptied);
    }
    if (woken) woken->notify();
    return done_;
  }
  bool arm(wait_node& node) {
    block_pointer emptied;  // freed after the lock was let go
    wait_node* woken = nullptr;
    {
      std::lock_guard guard{from_->lock_};
      node_ = &node;
      if (!can_proceed(node.task)) {
        from_->receivers_.push_back(*this);
        return false;
      }
      // Its own wait first: a sender, once claimed, has sent its value.
      if (!node.claim()) return false;
      woken = proceed(node.task, emptied);
    }
    if (woken) woken->notify();
    return true;
  }
  void disarm(wait_node& node) noexcept {
    if (node.claimed) return;  // taken out by whoever claimed it; the channel may be gone
    std::lock_guard guard{from_->lock_};
    if (this->is_linked()) base::intrusive_list<recv_operation>::remove(*this);
  }
  bool finish() const noexcept { return done_; }
  value_type take() {
    done_ = false;
    if (!value_) return fail(errc::closed);
    value_type received{std::move(*value_)};
    value_.reset();
    return received;
  }
  static value_type fail(errc condition) { return failure(condition); }
  void describe(detail::wait_description& into) const { detail::describe_channel(into, from_, channel_side::sends); }

 private:
  friend class channel;
  template <class U>
  friend class base::intrusive_list;

  [[nodiscard]] bool can_proceed(const sched::runnable* self) const noexcept {
    return from_->closed_ || from_->values_.size() != 0 || any(from_->senders_, self);
  }
  /// Returns whom to notify. Not done when every sender there was turned out to be decided by others.
  [[nodiscard]] wait_node* proceed(const sched::runnable* self, block_pointer& emptied) noexcept {
    if (from_->values_.size() != 0) {
      deliver(from_->values_.pop(emptied));
      auto* sender = claim(from_->senders_, self);  // there is room for one more now
      if (!sender) return nullptr;
      from_->values_.push(sender->hand_over());
      return sender->node_;
    }
    if (auto* sender = claim(from_->senders_, self)) {
      deliver(sender->hand_over());
      return sender->node_;
    }
    done_ = from_->closed_;
    return nullptr;
  }
  void deliver(T&& value) noexcept {
    value_.emplace(std::move(value));
    done_ = true;
  }

  channel* from_;
  wait_node* node_ = nullptr;
  std::optional<T> value_;
  bool done_ = false;
};

}  // namespace weft
