#pragma once

#include <cstddef>
#include <expected>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include <weft/base/intrusive_list.hpp>
#include <weft/base/spin_lock.hpp>
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
/// Lifetime  nobody uses it any more when it is destroyed; the destructor checks that nobody waits.
/// Order     what a sender did before send() is visible to whoever receives that value. Waiting receivers are served in
///           the order in which they began to wait, waiting senders too.
template <class T>
class channel {
  static_assert(std::is_nothrow_move_constructible_v<T>, "values are moved while the channel's lock is held");

 public:
  /// `capacity` values may be under way; 0 makes every send wait for its receiver. A bounded channel allocates here and
  /// never again.
  explicit channel(std::size_t capacity) : limit_{capacity} {
    if (capacity != unbounded) reserve(capacity);
  }
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  ~channel() {
    WEFT_CHECK(senders_.empty() && receivers_.empty(), "a channel is destroyed only when nobody waits on it");
    while (count_ != 0) static_cast<void>(pop());
  }

  class send_operation;
  class recv_operation;

  /// Waits while the channel is full. Fails with errc::closed after close(), and hands the value back.
  /// Parks. Cancel: the value is handed back; nobody has received it.
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
    auto outcome = operation.take();
    return outcome ? std::optional<T>{std::move(*outcome)} : std::nullopt;
  }

  /// No more sends: those that wait fail, and later ones. What is in the channel can still be received. Again: no
  /// effect.
  void close() noexcept {
    base::intrusive_list<wait_node> claimed;
    {
      std::lock_guard guard{lock_};
      closed_ = true;
      // Waiting senders first: their values are not in the channel yet.
      while (auto* sender = senders_.pop_front()) {
        if (!sender->node_->claim()) continue;
        sender->done_ = true;
        claimed.push_back(*sender->node_);
      }
      while (auto* receiver = receivers_.pop_front()) {
        if (!receiver->node_->claim()) continue;
        receiver->done_ = true;
        claimed.push_back(*receiver->node_);
      }
    }
    while (auto* node = claimed.pop_front()) node->notify();
  }

  [[nodiscard]] bool is_closed() const noexcept {
    std::lock_guard guard{lock_};
    return closed_;
  }
  /// Values in the channel; may be old at once.
  [[nodiscard]] std::size_t size() const noexcept {
    std::lock_guard guard{lock_};
    return count_;
  }

  /// Receives until the channel is closed and empty, or the task is cancelled.
  class iterator {
   public:
    T& operator*() noexcept { return *value_; }
    iterator& operator++() {
      value_.reset();
      if (auto next = from_->recv()) value_.emplace(std::move(*next));
      return *this;
    }
    bool operator!=(std::nullptr_t) const noexcept { return value_.has_value(); }

   private:
    friend class channel;
    explicit iterator(channel& from) : from_{&from} { ++*this; }
    channel* from_;
    std::optional<T> value_;
  };
  [[nodiscard]] iterator begin() { return iterator{*this}; }
  [[nodiscard]] std::nullptr_t end() const noexcept { return nullptr; }

 private:
  union cell {
    cell() noexcept {}
    ~cell() {}
    T value;
  };

  // All below: under lock_.
  void reserve(std::size_t cells) {
    auto larger = cells != 0 ? std::make_unique<cell[]>(cells) : nullptr;
    for (std::size_t i = 0; i < count_; ++i) {
      auto& from = cells_[(head_ + i) % allocated_].value;
      std::construct_at(&larger[i].value, std::move(from));
      std::destroy_at(&from);
    }
    cells_ = std::move(larger);
    allocated_ = cells;
    head_ = 0;
  }
  void push(T&& value) {
    if (count_ == allocated_) reserve(allocated_ == 0 ? 16 : allocated_ * 2);
    auto at = head_ + count_;
    std::construct_at(&cells_[at < allocated_ ? at : at - allocated_].value, std::move(value));
    ++count_;
  }
  [[nodiscard]] T pop() noexcept {
    auto& from = cells_[head_].value;
    T value{std::move(from)};
    std::destroy_at(&from);
    if (++head_ == allocated_) head_ = 0;
    --count_;
    return value;
  }
  [[nodiscard]] recv_operation* claim_receiver() noexcept {
    while (auto* receiver = receivers_.pop_front()) {
      if (receiver->node_->claim()) return receiver;
    }
    return nullptr;
  }
  [[nodiscard]] send_operation* claim_sender() noexcept {
    while (auto* sender = senders_.pop_front()) {
      if (sender->node_->claim()) return sender;
    }
    return nullptr;
  }

  mutable base::spin_lock lock_;  // guards all below
  std::size_t limit_;
  std::unique_ptr<cell[]> cells_;
  std::size_t allocated_ = 0, head_ = 0, count_ = 0;
  bool closed_ = false;
  base::intrusive_list<send_operation> senders_;
  base::intrusive_list<recv_operation> receivers_;
};

template <class T>
class channel<T>::send_operation : base::list_hook {
 public:
  using value_type = send_result<T>;
  static constexpr wait_kind kind = wait_kind::channel;
  send_operation(channel& to, T value) noexcept : to_{&to}, value_{std::move(value)} {}
  send_operation(send_operation&& other) noexcept : to_{other.to_}, value_{std::move(other.value_)} {}

  bool try_complete() {
    wait_node* woken = nullptr;
    {
      std::lock_guard guard{to_->lock_};
      if (!can_proceed()) return false;
      woken = proceed();
    }
    if (woken) woken->notify();
    return done_;
  }
  bool arm(wait_node& node) {
    wait_node* woken = nullptr;
    {
      std::lock_guard guard{to_->lock_};
      node_ = &node;
      if (!can_proceed()) {
        to_->senders_.push_back(*this);
        return false;
      }
      // Its own wait first: a receiver, once claimed, has to be given a value.
      if (!node.claim()) return false;
      woken = proceed();
    }
    if (woken) woken->notify();
    return true;
  }
  void disarm(wait_node&) noexcept {
    std::lock_guard guard{to_->lock_};
    if (this->is_linked()) base::intrusive_list<send_operation>::remove(*this);
  }
  bool finish() const noexcept { return done_; }
  value_type take() {
    if (sent_) return {};
    return fail(errc::closed);
  }
  value_type fail(errc condition) { return std::unexpected{unsent<T>{make_error_code(condition), std::move(value_)}}; }

 private:
  friend class channel;
  template <class U>
  friend class base::intrusive_list;

  [[nodiscard]] bool has_room() const noexcept { return to_->count_ < to_->limit_; }
  [[nodiscard]] bool can_proceed() const noexcept { return to_->closed_ || has_room() || !to_->receivers_.empty(); }
  /// Returns whom to notify. Not done when every receiver there was turned out to be decided by others.
  [[nodiscard]] wait_node* proceed() {
    if (to_->closed_) {
      done_ = true;
      return nullptr;
    }
    if (auto* receiver = to_->claim_receiver()) {
      receiver->deliver(std::move(value_));
      sent_ = done_ = true;
      return receiver->node_;
    }
    if (has_room()) {
      to_->push(std::move(value_));
      sent_ = done_ = true;
    }
    return nullptr;
  }
  [[nodiscard]] T hand_over() noexcept {
    sent_ = done_ = true;
    return std::move(value_);
  }

  channel* to_;
  wait_node* node_ = nullptr;
  T value_;
  bool sent_ = false;
  bool done_ = false;
};

template <class T>
class channel<T>::recv_operation : base::list_hook {
 public:
  using value_type = result<T>;
  static constexpr wait_kind kind = wait_kind::channel;
  explicit recv_operation(channel& from) noexcept : from_{&from} {}
  recv_operation(recv_operation&& other) noexcept : from_{other.from_} {}

  bool try_complete() {
    wait_node* woken = nullptr;
    {
      std::lock_guard guard{from_->lock_};
      if (!can_proceed()) return false;
      woken = proceed();
    }
    if (woken) woken->notify();
    return done_;
  }
  bool arm(wait_node& node) {
    wait_node* woken = nullptr;
    {
      std::lock_guard guard{from_->lock_};
      node_ = &node;
      if (!can_proceed()) {
        from_->receivers_.push_back(*this);
        return false;
      }
      // Its own wait first: a sender, once claimed, has sent its value.
      if (!node.claim()) return false;
      woken = proceed();
    }
    if (woken) woken->notify();
    return true;
  }
  void disarm(wait_node&) noexcept {
    std::lock_guard guard{from_->lock_};
    if (this->is_linked()) base::intrusive_list<recv_operation>::remove(*this);
  }
  bool finish() const noexcept { return done_; }
  value_type take() {
    if (value_) return std::move(*value_);
    return fail(errc::closed);
  }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  friend class channel;
  template <class U>
  friend class base::intrusive_list;

  [[nodiscard]] bool can_proceed() const noexcept {
    return from_->closed_ || from_->count_ != 0 || !from_->senders_.empty();
  }
  /// Returns whom to notify. Not done when every sender there was turned out to be decided by others.
  [[nodiscard]] wait_node* proceed() {
    if (from_->count_ != 0) {
      deliver(from_->pop());
      auto* sender = from_->claim_sender();  // there is room for one more now
      if (!sender) return nullptr;
      from_->push(sender->hand_over());
      return sender->node_;
    }
    if (auto* sender = from_->claim_sender()) {
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
