#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <system_error>
#include <utility>

#include <weft/base/error.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/detail/broadcast_ring.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// Why there was no value: errc::lagged, and how many values a receiver of a broadcast has lost; or closed, cancelled,
/// timed out.
struct unheard {
  std::error_code reason;
  std::uint64_t lost = 0;
};

/// Every receiver gets every value that is sent after it subscribed, or is told how many it missed: the last `capacity`
/// values are kept, and whoever sends waits for nobody.
/// Thread: any, for every member; a receiver is used by one at a time.
/// Order: every receiver gets the values in the order in which they were sent. What a sender did before send() is
///   visible to whoever receives that value. Waiting receivers are let go in the order of their waits' beginning.
/// Lifetime: outlives its receivers' waits; the destructor checks that nobody waits. A send() or close() of another
///   task that has let its waiters go, and is returning, does no harm.
template <class T>
class broadcast {
 public:
  class receiver;

  /// Allocates here and never again. `capacity` is 1 at the least.
  /// Throws capacity_error when `capacity` values do not fit into memory.
  explicit broadcast(std::size_t capacity) : values_{capacity} {
    WEFT_CHECK(capacity != 0, "a broadcast keeps one value at the least", "broadcast", this);
  }

  /// Sends to all who have subscribed. After close() fails with errc::closed, and hands the value back. Does not wait;
  /// a virtual thread lets others run each time it has woken 64.
  [[nodiscard]] send_result<T> send(T value) {
    if (values_.publish(value)) return {};
    return std::unexpected{unsent<T>{make_error_code(errc::closed), std::move(value)}};
  }

  /// No more sends. Receivers get what they have not received and is kept, then errc::closed. Again: no effect. Does
  /// not wait, as send().
  void close() noexcept { values_.close(); }

  /// A receiver of what is sent from now on.
  [[nodiscard]] receiver subscribe() noexcept { return receiver{values_}; }

 private:
  detail::broadcast_ring<T> values_;
};

/// Somebody who listens to a broadcast. A copy goes on where the original is.
/// Thread: one at a time.
template <class T>
class broadcast<T>::receiver {
 public:
  using value_type = std::expected<T, unheard>;
  using recv_operation = detail::reading_operation<T, receiver>;

  /// Waits for the next value. Fails with errc::lagged, once, when values were lost, and says how many; the next call
  /// gives the oldest that is left. After close(), what is left, then errc::closed.
  /// Parks.
  /// Cancel: no value was received.
  [[nodiscard]] value_type recv() { return await(async_recv()); }
  [[nodiscard]] recv_operation async_recv() noexcept { return recv_operation{*this}; }

  /// The same without waiting: errc::unavailable when there is none.
  [[nodiscard]] value_type try_recv() {
    auto operation = async_recv();
    return operation.try_complete() ? operation.take() : failure_of(errc::unavailable);
  }

 private:
  friend class broadcast;
  friend recv_operation;
  explicit receiver(detail::broadcast_ring<T>& values) noexcept : values_{&values}, position_{values.next()} {}

  [[nodiscard]] static value_type failure_of(errc condition) {
    return std::unexpected{unheard{make_error_code(condition)}};
  }
  [[nodiscard]] auto wait() noexcept { return values_->async_wait_for(position_); }
  [[nodiscard]] value_type read() {
    auto found = values_->read(position_);
    if (found.value) return std::move(*found.value);
    if (found.lost != 0) return std::unexpected{unheard{make_error_code(errc::lagged), found.lost}};
    return failure_of(errc::closed);
  }

  detail::broadcast_ring<T>* values_;
  std::uint64_t position_;
};

}  // namespace weft
