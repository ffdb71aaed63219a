#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <weft/base/result.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/detail/broadcast_ring.hpp>
#include <weft/task/operation.hpp>

namespace weft {

/// A value that changes, and whoever wants to know: a configuration, the state of a connection. Readers get the latest
/// value, not every one. (Elsewhere: a watch channel.)
/// Thread: any, for every member; a reader is used by one at a time.
/// Order: no reader sees an older value after a newer one. What was done before set() is visible to whoever reads that
///   value. Waiting readers are let go in the order of their waits' beginning.
/// Lifetime: outlives its readers' waits; the destructor checks that nobody waits. A set() or close() of another task
///   that has let its waiters go, and is returning, does no harm.
template <class T>
class latest_value {
 public:
  class reader;

  explicit latest_value(T initial) : values_{1} { static_cast<void>(values_.publish(initial)); }

  /// Changes the value. After close() fails with errc::closed, and hands it back. Does not wait; a virtual thread lets
  /// others run each time it has woken 64.
  [[nodiscard]] send_result<T> set(T value) {
    if (values_.publish(value)) return {};
    return std::unexpected{unsent<T>{make_error_code(errc::closed), std::move(value)}};
  }

  /// The present value.
  [[nodiscard]] T get() noexcept {
    for (;;) {
      auto position = values_.next() - 1;
      if (auto found = values_.read(position); found.value) return std::move(*found.value);
    }
  }

  /// It will not change any more: readers get the last value, if they have not read it, then errc::closed. Again: no
  /// effect. Does not wait, as set().
  void close() noexcept { values_.close(); }

  /// A reader that has not read the present value yet.
  [[nodiscard]] reader subscribe() noexcept { return reader{values_}; }

 private:
  detail::broadcast_ring<T> values_;
};

/// Somebody who follows a value. A copy goes on where the original is.
/// Thread: one at a time.
template <class T>
class latest_value<T>::reader {
 public:
  using value_type = result<T>;
  using recv_operation = detail::reading_operation<T, reader>;

  /// Waits for a value that this reader has not read, and reads the latest. After close() fails with errc::closed once
  /// it has read the last.
  /// Parks.
  /// Cancel: it has read nothing.
  [[nodiscard]] value_type recv() { return await(async_recv()); }
  [[nodiscard]] recv_operation async_recv() noexcept { return recv_operation{*this}; }

  /// The same without waiting: nothing when there is no new value.
  [[nodiscard]] std::optional<T> try_recv() {
    auto operation = async_recv();
    if (!operation.try_complete()) return std::nullopt;
    auto value = operation.take();
    return value ? std::optional<T>{std::move(*value)} : std::nullopt;
  }

 private:
  friend class latest_value;
  friend recv_operation;
  explicit reader(detail::broadcast_ring<T>& values) noexcept : values_{&values}, position_{values.next() - 1} {}

  [[nodiscard]] static value_type failure_of(errc condition) { return failure(condition); }
  [[nodiscard]] auto wait() noexcept { return values_->async_wait_for(position_); }
  [[nodiscard]] value_type read() {
    for (;;) {
      auto found = values_->read(position_);
      if (found.value) return std::move(*found.value);
      if (found.lost == 0) return failure(errc::closed);
    }
  }

  detail::broadcast_ring<T>* values_;
  std::uint64_t position_;
};

}  // namespace weft
