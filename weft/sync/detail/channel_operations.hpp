#pragma once

#include <algorithm>

#include <weft/sync/channel.hpp>

// The operations of a channel.

namespace weft {

namespace detail {
[[nodiscard]] inline std::error_code why_not_sent(bool for_lack_of_memory) noexcept {
  return for_lack_of_memory ? std::make_error_code(std::errc::not_enough_memory) : make_error_code(errc::closed);
}
}  // namespace detail

/// channel::async_send(). Holds the value until it is sent.
template <class T>
class channel<T>::send_operation : base::list_hook {
 public:
  using value_type = send_result<T>;
  static constexpr wait_kind kind = wait_kind::channel;
  static constexpr bool locks_to_arm = true;
  send_operation(channel& to, T value) noexcept : to_{&to}, value_{std::move(value)} {}
  send_operation(send_operation&& other) noexcept
      : to_{other.to_}, value_{std::move(other.value_)}, use_{std::move(other.use_)} {}

  /// What was not sent, after a select in which another case happened.
  [[nodiscard]] T& value() noexcept { return value_; }

  bool try_complete() {
    use_.check("channel", to_);
    if (to_->send_plainly(value_)) return done_ = sent_ = true;
    return to_->hints_at(can_send) && try_everything();
  }
  bool arm(wait_node& node) {
    to_->lock_.lock();
    if (to_->hints_at(can_send)) [[unlikely]]
      return check_again(node);
    std::lock_guard guard{to_->lock_, std::adopt_lock};
    queue_up(node);
    to_->note_state(true, false, false);
    return false;
  }
  void disarm(wait_node& node) noexcept {
    if (node.ended_the_wait()) return;  // taken out by whoever ended it; the channel may be gone
    std::lock_guard guard{to_->lock_};
    if (!this->is_linked()) return;
    base::intrusive_list<send_operation>::remove(*this);
    to_->note_state();
  }
  /// Not done when every receiver that was there turned out to be decided by others.
  bool finish() const noexcept { return done_; }
  value_type take() {
    use_.spend();
    if (sent_) return {};
    return fail(why_not());
  }
  void describe(detail::wait_description& into) const { detail::describe_channel(into, to_, channel_side::receives); }
  value_type fail(std::error_code why) {
    use_.spend();
    return std::unexpected{unsent<T>{why, std::move(value_)}};
  }

 private:
  friend class channel;
  friend class send_many_operation;
  template <class U>
  friend class base::intrusive_list;

  [[gnu::noinline]] bool try_everything() {
    detail::woken_waiters woken;
    to_->lock_.lock();
    if (!to_->give(value_, nullptr, woken)) return fail_or_store(woken);
    std::lock_guard guard{to_->lock_, std::adopt_lock};
    to_->note_state();
    return done_ = sent_ = true;
  }
  /// Where nobody receives: the channel is closed, or the value goes into its queue. Under the lock, which it lets go.
  [[gnu::noinline]] bool fail_or_store(detail::woken_waiters& woken) {
    std::unique_lock guard{to_->lock_, std::adopt_lock};
    return proceed(nullptr, woken, guard);
  }
  /// arm() where something may have changed since try_complete(). Under the lock, which it lets go.
  [[gnu::noinline]] bool check_again(wait_node& node) {
    detail::woken_waiters woken;
    std::unique_lock guard{to_->lock_, std::adopt_lock};
    if (!to_->closed_ && to_->values_.size() >= to_->limit_ && !any(to_->receivers_, node.task)) {
      queue_up(node);
      to_->note_state();
      return false;
    }
    // Its own wait first: a receiver whose wait was ended has been given a value.
    if (!node.claim()) return false;
    static_cast<void>(proceed(node.task, woken, guard));
    return true;
  }
  void queue_up(wait_node& node) noexcept {
    WEFT_CHECK(!this->is_linked(), "an operation of it waits already, for somebody else", "channel", to_);
    node_ = &node;
    to_->senders_.push_back(*this);
  }
  bool proceed(const sched::runnable* self, detail::woken_waiters& woken,
               std::unique_lock<base::spin_lock>& guard) noexcept {
    to_->make_room(guard);
    if (to_->closed_) return done_ = true;
    if (!to_->send_now(value_, self, woken)) return done_ = no_memory_ = to_->lacks_room();
    to_->note_state();
    return done_ = sent_ = true;
  }
  /// Done, and not sent.
  [[nodiscard]] std::error_code why_not() const noexcept { return detail::why_not_sent(no_memory_); }
  [[nodiscard]] T&& hand_over() noexcept {
    sent_ = done_ = true;
    return std::move(value_);
  }
  void take_back(T&& value) noexcept {
    sent_ = done_ = false;
    std::destroy_at(&value_);
    std::construct_at(&value_, std::move(value));
  }

  channel* to_;
  wait_node* node_ = nullptr;
  T value_;
  bool sent_ = false;
  bool done_ = false;
  bool no_memory_ = false;
  detail::single_use use_;
};

/// channel::async_recv(). One that a select refers to can be used again, whether it happened or not.
template <class T>
class channel<T>::recv_operation : base::list_hook {
 public:
  using value_type = result<T>;
  static constexpr wait_kind kind = wait_kind::channel;
  static constexpr bool locks_to_arm = true;
  explicit recv_operation(channel& from) noexcept : from_{&from} {}
  recv_operation(recv_operation&& other) noexcept : from_{other.from_} {}

  bool try_complete() {
    if (from_->receive_plainly(value_)) return done_ = true;
    return from_->hints_at(can_receive) && try_everything();
  }
  bool arm(wait_node& node) {
    from_->lock_.lock();
    if (from_->hints_at(can_receive)) [[unlikely]]
      return check_again(node);
    std::lock_guard guard{from_->lock_, std::adopt_lock};
    queue_up(node);
    from_->note_state(false, true, false);
    return false;
  }
  void disarm(wait_node& node) noexcept {
    if (node.ended_the_wait()) return;  // taken out by whoever ended it; the channel may be gone
    std::lock_guard guard{from_->lock_};
    if (!this->is_linked()) return;
    base::intrusive_list<recv_operation>::remove(*this);
    from_->note_state();
  }
  /// Not done when every sender that was there turned out to be decided by others.
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

  [[gnu::noinline]] bool try_everything() noexcept {
    detail::woken_waiters woken;
    from_->lock_.lock();
    if (from_->values_.size() != 0) return receive_and_refill(woken);
    std::lock_guard guard{from_->lock_, std::adopt_lock};
    if (!from_->take_from_sender(value_, nullptr, woken)) return done_ = from_->closed_;
    from_->note_state();
    return done_ = true;
  }
  /// From the queue, of a channel on which senders wait, or which leaves a block. Under the lock, which it lets go.
  [[gnu::noinline]] bool receive_and_refill(detail::woken_waiters& woken) noexcept {
    block_pointer emptied;  // freed after the lock was let go
    std::lock_guard guard{from_->lock_, std::adopt_lock};
    return proceed(nullptr, woken, emptied);
  }
  /// arm() where something may have changed since try_complete(). Under the lock, which it lets go.
  [[gnu::noinline]] bool check_again(wait_node& node) noexcept {
    block_pointer emptied;  // freed after the lock was let go
    detail::woken_waiters woken;
    std::lock_guard guard{from_->lock_, std::adopt_lock};
    if (!from_->closed_ && from_->values_.size() == 0 && !any(from_->senders_, node.task)) {
      queue_up(node);
      from_->note_state();
      return false;
    }
    // Its own wait first: a sender whose wait was ended has sent its value.
    if (!node.claim()) return false;
    static_cast<void>(proceed(node.task, woken, emptied));
    return true;
  }
  void queue_up(wait_node& node) noexcept {
    WEFT_CHECK(!this->is_linked(), "an operation of it waits already, for somebody else", "channel", from_);
    node_ = &node;
    from_->receivers_.push_back(*this);
  }
  bool proceed(const sched::runnable* self, detail::woken_waiters& woken, block_pointer& emptied) noexcept {
    if (!from_->receive_now(value_, self, woken, emptied)) return done_ = from_->closed_;
    from_->note_state();
    return done_ = true;
  }
  void deliver(T&& value) noexcept {
    value_.emplace(std::move(value));
    done_ = true;
  }
  [[nodiscard]] T take_back() noexcept {
    done_ = false;
    T value{std::move(*value_)};
    value_.reset();
    return value;
  }

  channel* from_;
  wait_node* node_ = nullptr;
  std::optional<T> value_;
  bool done_ = false;
};

/// channel::async_recv_many(): a receive, and then what else is there.
template <class T>
class channel<T>::recv_many_operation : public recv_operation {
 public:
  using value_type = result<std::size_t>;
  recv_many_operation(channel& from, std::vector<T>& into, std::size_t most)
      : recv_operation{from}, from_{&from}, into_{&into}, most_{most} {
    WEFT_CHECK(most != 0, "receive one value at the least", "channel", &from);
    into.reserve(into.size() + 1);  // so that the one that the wait brings has a place
  }

  value_type take() {
    auto first = recv_operation::take();
    if (!first) return std::unexpected{first.error()};
    into_->push_back(std::move(*first));
    return 1 + from_->drain(*into_, most_ - 1);
  }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  channel* from_;
  std::vector<T>* into_;
  std::size_t most_;
};

/// channel::async_send_many(): what can be sent at once, then a send of the next one, and so on.
template <class T>
class channel<T>::send_many_operation {
 public:
  using value_type = std::expected<void, partly_sent>;
  static constexpr wait_kind kind = wait_kind::channel;
  static constexpr bool happens_in_pieces = true;
  send_many_operation(channel& to, std::span<T> values) noexcept : to_{&to}, left_{values} {}
  send_many_operation(send_many_operation&& other) noexcept
      : to_{other.to_}, left_{other.left_}, use_{std::move(other.use_)} {}

  bool try_complete() {
    use_.check("channel", to_);
    auto sent = to_->send_some(left_, why_not_);
    sent_ += sent;
    left_ = left_.subspan(sent);
    return why_not_ || left_.empty();
  }
  bool arm(wait_node& node) {
    settle();  // where it was left for another operation that is waited for as well
    next_.emplace(*to_, std::move(left_.front()));
    return next_->arm(node);
  }
  void disarm(wait_node& node) noexcept { next_->disarm(node); }
  bool finish() {
    if (next_->finish() && !next_->sent_) why_not_ = next_->why_not();
    settle();
    return why_not_ || try_complete();
  }
  value_type take() {
    use_.spend();
    if (left_.empty()) return {};
    return fail(why_not_);
  }
  void describe(detail::wait_description& into) const { detail::describe_channel(into, to_, channel_side::receives); }
  value_type fail(std::error_code why) {
    use_.spend();
    settle();
    return std::unexpected{partly_sent{why, sent_}};
  }

 private:
  /// The send of the next value is over: counts it, or puts the value back where it was.
  void settle() noexcept {
    if (!next_) return;
    if (next_->sent_) {
      ++sent_;
      left_ = left_.subspan(1);
    } else {
      std::destroy_at(&left_.front());
      std::construct_at(&left_.front(), std::move(next_->value()));
    }
    next_.reset();
  }

  channel* to_;
  std::span<T> left_;
  std::size_t sent_ = 0;
  std::error_code why_not_;
  detail::single_use use_;
  std::optional<send_operation> next_;  // while it waits
};

template <class T>
std::size_t channel<T>::drain(std::vector<T>& into, std::size_t most) {
  std::size_t drained = 0;
  while (drained < most && hints_at(can_receive)) {
    auto batch = std::min({most - drained, std::max<std::size_t>(size(), 1), detail::wakes_in_batch});
    into.reserve(into.size() + batch);
    block_pointer emptied;  // freed after the lock was let go; two blocks are never emptied at once
    detail::woken_waiters woken;
    std::lock_guard guard{lock_};
    std::optional<T> value;
    for (; batch != 0 && !emptied && receive_now(value, nullptr, woken, emptied); --batch, ++drained) {
      into.push_back(std::move(*value));
    }
    note_state();
    if (batch != 0 && !emptied) break;
  }
  return drained;
}

template <class T>
std::size_t channel<T>::send_some(std::span<T> values, std::error_code& why) noexcept {
  std::size_t sent = 0;
  while (sent != values.size()) {
    detail::woken_waiters woken;
    std::unique_lock guard{lock_};
    for (auto batch = detail::wakes_in_batch; batch != 0 && sent != values.size(); --batch, ++sent) {
      make_room(guard);
      if (closed_ || !send_now(values[sent], nullptr, woken)) {
        if (closed_ || lacks_room()) why = detail::why_not_sent(!closed_);
        note_state();
        return sent;
      }
    }
    note_state();
  }
  return sent;
}

}  // namespace weft
