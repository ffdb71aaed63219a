#pragma once

#include <atomic>
#include <optional>
#include <utility>

#include <weft/base/result.hpp>
#include <weft/sync/channel.hpp>

namespace weft {

/// One value, once, from whoever sends first to whoever receives first.
/// Thread: any, for every member.
/// Order: what was done before send() is visible to who receives.
/// Lifetime: as a channel's: it may be destroyed as soon as the value was received.
template <class T>
class oneshot {
 public:
  oneshot() : slot_{1} {}

  /// Sends the value; never waits. The second send, and one after close(), fails with errc::closed, and hands it back.
  [[nodiscard]] send_result<T> send(T value) {
    // relaxed: only one may see false; the channel's lock publishes the value
    if (sent_.exchange(true, std::memory_order_relaxed)) {
      return std::unexpected{unsent<T>{make_error_code(errc::closed), std::move(value)}};
    }
    return slot_.try_send(std::move(value));
  }

  class recv_operation;
  /// Waits for the value. Fails with errc::closed when it was received before, or after close() when none was sent.
  /// Parks.
  /// Cancel: never loses the value; one already handed over is returned.
  [[nodiscard]] result<T> recv() { return await(async_recv()); }
  [[nodiscard]] recv_operation async_recv() noexcept { return recv_operation{*this}; }
  /// The value, if it is there.
  [[nodiscard]] std::optional<T> try_recv() {
    auto operation = async_recv();
    if (!operation.try_complete()) return std::nullopt;
    auto value = operation.take();
    return value ? std::optional<T>{std::move(*value)} : std::nullopt;
  }

  /// By either end: nobody will send, or wants to know. A value that was sent can still be received. Does not wait.
  void close() noexcept { slot_.close(); }
  [[nodiscard]] bool is_closed() const noexcept { return slot_.is_closed(); }

 private:
  std::atomic<bool> sent_{false};
  channel<T> slot_;
};

/// oneshot::async_recv().
template <class T>
class oneshot<T>::recv_operation : public channel<T>::recv_operation {
 public:
  using value_type = result<T>;
  explicit recv_operation(oneshot& from) noexcept : channel<T>::recv_operation{from.slot_}, from_{&from} {}

  value_type take() {
    auto value = channel<T>::recv_operation::take();
    if (value) from_->close();  // by the receiver: the sender's last touch was the send
    return value;
  }

 private:
  oneshot* from_;
};

}  // namespace weft
