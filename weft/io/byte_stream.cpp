#include <weft/io/byte_stream.hpp>

#include <chrono>

#include <weft/base/clock.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft {

result<void> byte_stream::send_all(std::span<const std::byte> from) {
  while (!from.empty()) {
    auto sent = send(from);
    if (!sent) return std::unexpected{sent.error()};
    from = from.subspan(*sent);
  }
  return {};
}

result<void> byte_stream::send_all(std::span<const std::span<const std::byte>> pieces) {
  for (auto piece : pieces) {
    if (auto sent = send_all(piece); !sent) return sent;
  }
  return {};
}

result<std::size_t> byte_stream::try_recv(std::span<std::byte> into) {
  auto& self = detail::current_task();
  struct restore {
    detail::task_base& task;
    time_point deadline;
    ~restore() { task.set_deadline(deadline); }
  } at_end{self, self.deadline()};
  // As at the beginning of a turn and of its first deadline: recv() tries before it looks at the clock.
  self.set_deadline(no_deadline);
  self.took_turn();
  deadline_scope at_once{now()};
  auto received = recv(into);
  if (!received && received.error() == errc::timed_out) return 0;
  return received;
}

result<stream_progress> byte_stream::send_or_recv(std::span<const std::byte> from, std::span<std::byte> into) {
  constexpr auto between_looks = std::chrono::milliseconds{10};
  for (;;) {
    auto received = try_recv(into);
    if (!received) return std::unexpected{received.error()};
    if (*received > 0) return stream_progress{.received = *received};
    auto sent = result<std::size_t>{0};
    {
      deadline_scope a_while{duration{between_looks}};
      sent = send(from);
    }
    if (sent) return stream_progress{.sent = *sent};
    if (sent.error() != errc::timed_out || deadline_scope{no_deadline}.deadline() <= now()) {
      return std::unexpected{sent.error()};
    }
  }
}

}  // namespace weft
