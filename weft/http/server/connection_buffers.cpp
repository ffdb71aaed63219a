#include "weft/http/server/connection_buffers.hpp"

#include <algorithm>
#include <array>

#include <weft/task/deadline_scope.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft::http::detail {
namespace {

constexpr std::size_t batch_bytes = std::size_t{256} * 1024;
/// Of what a connection that ends still receives, at a time.
constexpr std::size_t dropped_piece_bytes = std::size_t{16} * 1024;

}  // namespace

result<void> connection_buffers::send(std::span<const std::span<const std::byte>> pieces) {
  std::array<std::span<const std::byte>, 4> batch;
  std::size_t used = 0;
  std::size_t bytes = 0;
  auto add = [&](std::span<const std::byte> piece) -> result<void> {
    while (!piece.empty()) {
      auto taken = std::min(piece.size(), batch_bytes - bytes);
      batch[used++] = piece.first(taken);
      bytes += taken;
      piece = piece.subspan(taken);
      if (bytes < batch_bytes && used < batch.size()) continue;
      if (auto done = send_batch(std::span{batch}.first(used)); !done) return done;
      used = bytes = 0;
    }
    return {};
  };
  auto sent = add(out_.bytes());
  for (auto piece = pieces.begin(); sent && piece != pieces.end(); ++piece) sent = add(*piece);
  if (sent && used > 0) sent = send_batch(std::span{batch}.first(used));
  out_.clear();
  return sent;
}

result<void> connection_buffers::send_batch(std::span<const std::span<const std::byte>> batch) {
  if (broken_) return failure(errc::closed);
  deadline_scope limit{send_timeout_};
  auto sent = batch.size() == 1 ? stream_.send_all(batch.front()) : stream_.send_all(batch);
  broken_ = !sent;
  sent_ = true;
  return sent;
}

result<std::size_t> connection_buffers::receive(std::span<std::byte> into, time_point deadline) {
  if (!out_.empty()) {
    if (auto sent = send(); !sent) return std::unexpected{sent.error()};
  }
  deadline_scope limit{deadline};
  auto received = stream_.recv(into);
  peer_finished_ = !received && received.error() != errc::timed_out;
  return received;
}

result<void> connection_buffers::receive_more(std::size_t bytes, time_point deadline) {
  auto received = receive(input_.make_room(bytes), deadline);
  if (!received) return std::unexpected{received.error()};
  input_.received(*received);
  return {};
}

bool connection_buffers::is_quiet() {
  std::byte unasked;
  auto received = try_receive({&unasked, 1});
  return input_.unread().empty() && received && *received == 0;
}

result<std::size_t> connection_buffers::send_or_receive(std::span<const std::byte> from, std::size_t most_unread) {
  constexpr std::size_t room_bytes = 1024;
  if (broken_) return failure(errc::closed);
  from = from.first(std::min(from.size(), batch_bytes));
  deadline_scope limit{send_timeout_};
  if (input_.unread().size() >= most_unread) {
    auto sent = stream_.send(from);
    broken_ = !sent;
    return sent;
  }
  auto moved = stream_.send_or_recv(from, input_.make_room(room_bytes));
  if (!moved) {
    broken_ = true;
    return std::unexpected{moved.error()};
  }
  input_.received(moved->received);
  return moved->sent;
}

void connection_buffers::finish(const linger_limits& limits) {
  if (!send() || broken_ || !sent_ || peer_finished_ || !stream_.shutdown_send()) return;
  auto end = deadline_after(limits.time);
  std::array<std::byte, dropped_piece_bytes> dropped;
  for (std::uint64_t left = limits.bytes; left > 0;) {
    auto piece = std::span{dropped}.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, dropped.size())));
    deadline_scope until{std::min(end, deadline_after(limits.idle))};
    auto received = stream_.recv(piece);
    if (!received) return;
    left -= *received;
  }
}

}  // namespace weft::http::detail
