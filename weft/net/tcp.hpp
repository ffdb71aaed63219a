#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <weft/io/byte_stream.hpp>
#include <weft/io/detail/descriptor.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/task/operation.hpp>
#include <weft/task/task.hpp>

namespace weft {

class tcp_stream;

/// Waits for bytes. See byte_stream::recv.
class recv_operation final : public detail::descriptor_operation<recv_operation, detail::direction::receive> {
 public:
  using value_type = result<std::size_t>;

  recv_operation(detail::descriptor_reference socket, std::span<std::byte> into) noexcept
      : descriptor_operation{socket}, into_{into} {}

  [[nodiscard]] value_type take() { return outcome_; }
  [[nodiscard]] static value_type fail(errc reason) { return failure(reason); }

 private:
  friend descriptor_operation;
  [[nodiscard]] bool attempt();

  std::span<std::byte> into_;
  value_type outcome_{0};
};

/// Waits for room to send. See byte_stream::send.
class send_operation final : public detail::descriptor_operation<send_operation, detail::direction::send> {
 public:
  using value_type = result<std::size_t>;

  send_operation(detail::descriptor_reference socket, std::span<const std::byte> from) noexcept
      : descriptor_operation{socket}, from_{from} {}

  [[nodiscard]] value_type take() { return outcome_; }
  [[nodiscard]] static value_type fail(errc reason) { return failure(reason); }

 private:
  friend descriptor_operation;
  [[nodiscard]] bool attempt();

  std::span<const std::byte> from_;
  value_type outcome_{0};
};

/// Waits until all pieces are sent. See byte_stream::send_all. The pieces outlive the operation.
class send_all_operation final : public detail::descriptor_operation<send_all_operation, detail::direction::send> {
 public:
  using value_type = result<void>;
  static constexpr bool happens_in_pieces = true;

  send_all_operation(detail::descriptor_reference socket, std::span<const std::span<const std::byte>> pieces) noexcept
      : descriptor_operation{socket}, pieces_{pieces} {}

  [[nodiscard]] bool try_complete() {
    use_.check("socket operation", this);
    return descriptor_operation::try_complete();
  }
  [[nodiscard]] value_type take() {
    use_.spend();
    return outcome_;
  }
  [[nodiscard]] value_type fail(errc reason) {
    use_.spend();
    return failure(reason);
  }

 private:
  friend descriptor_operation;
  [[nodiscard]] bool attempt();

  void advance(std::size_t sent) noexcept;

  std::span<const std::span<const std::byte>> pieces_;  // what is left, but for sent_of_first_
  std::size_t sent_of_first_ = 0;
  value_type outcome_;
  detail::single_use use_;
};

/// A TCP connection. Small writes are sent at once (TCP_NODELAY).
/// Thread: see byte_stream.
class tcp_stream final : public byte_stream {
 public:
  class connect_operation;

  /// Not connected: every call fails with errc::closed.
  tcp_stream() noexcept = default;
  explicit tcp_stream(detail::owned_descriptor socket) noexcept : socket_{std::move(socket)} {}

  /// Parks.
  /// Cancel: the connection is not made.
  [[nodiscard]] static result<tcp_stream> connect(const endpoint& peer);

  /// Looks `host` up and tries its addresses in order, until one accepts; fails as the last one did.
  /// Parks.
  [[nodiscard]] static result<tcp_stream> connect(std::string_view host, std::uint16_t port);

  [[nodiscard]] static connect_operation async_connect(const endpoint& peer);
  [[nodiscard]] static task<result<tcp_stream>> async_connect(std::string host, std::uint16_t port);

  [[nodiscard]] result<std::size_t> recv(std::span<std::byte> into) override { return await(async_recv(into)); }
  [[nodiscard]] recv_operation async_recv(std::span<std::byte> into) noexcept { return {socket_.get(), into}; }

  [[nodiscard]] result<std::size_t> send(std::span<const std::byte> from) override { return await(async_send(from)); }
  [[nodiscard]] send_operation async_send(std::span<const std::byte> from) noexcept { return {socket_.get(), from}; }

  using byte_stream::send_all;
  [[nodiscard]] result<void> send_all(std::span<const std::byte> from) override { return send_all({&from, 1}); }
  [[nodiscard]] result<void> send_all(std::span<const std::span<const std::byte>> pieces) override {
    return await(async_send_all(pieces));
  }
  [[nodiscard]] send_all_operation async_send_all(std::span<const std::span<const std::byte>> pieces) noexcept {
    return {socket_.get(), pieces};
  }

  [[nodiscard]] result<std::size_t> try_recv(std::span<std::byte> into) override;
  [[nodiscard]] result<stream_progress> send_or_recv(std::span<const std::byte> from,
                                                     std::span<std::byte> into) override;

  [[nodiscard]] result<void> shutdown_send() override;
  void close() noexcept override { socket_.get().close(); }

  [[nodiscard]] result<endpoint> local() const;
  [[nodiscard]] result<endpoint> peer() const;

 private:
  detail::owned_descriptor socket_;
};

/// Waits until the connection is made or refused. See tcp_stream::connect.
class tcp_stream::connect_operation final
    : public detail::descriptor_operation<connect_operation, detail::direction::send> {
 public:
  using value_type = result<tcp_stream>;

  explicit connect_operation(const endpoint& peer);

  [[nodiscard]] bool try_complete() {
    use_.check("socket operation", this);
    return descriptor_operation::try_complete();
  }
  [[nodiscard]] value_type take() {
    use_.spend();
    return std::move(outcome_);
  }
  [[nodiscard]] value_type fail(errc reason) {
    use_.spend();
    return failure(reason);
  }

 private:
  friend descriptor_operation;
  [[nodiscard]] bool attempt();

  [[nodiscard]] bool begin();
  [[nodiscard]] bool fail_with(std::error_code error);

  endpoint peer_;
  bool begun_ = false;
  detail::owned_descriptor socket_;
  value_type outcome_;
  detail::single_use use_;
};

struct listen_options {
  /// How many connections the system accepts on our behalf before accept() takes them.
  int backlog = 4096;
};

/// Waits for a connection. See tcp_listener::accept.
class accept_operation final : public detail::descriptor_operation<accept_operation, detail::direction::receive> {
 public:
  using value_type = result<tcp_stream>;

  explicit accept_operation(detail::descriptor_reference socket) noexcept : descriptor_operation{socket} {}

  [[nodiscard]] value_type take() { return std::move(outcome_); }
  [[nodiscard]] static value_type fail(errc reason) { return failure(reason); }

 private:
  friend descriptor_operation;
  [[nodiscard]] bool attempt();

  value_type outcome_;
};

/// Where connections arrive.
/// Thread: any, for every member, at the same time; but for moving it.
class tcp_listener {
 public:
  /// Not bound: accept() fails with errc::closed.
  tcp_listener() noexcept = default;

  /// "127.0.0.1:7000", "[::1]:7000"; port 0 takes a free one, which local() tells. The address may be taken again at
  /// once after the program ended (SO_REUSEADDR); "[::]:7000" does not take 0.0.0.0:7000 as well.
  [[nodiscard]] static result<tcp_listener> bind(std::string_view address_and_port, listen_options options = {});
  [[nodiscard]] static result<tcp_listener> bind(const endpoint& address, listen_options options = {});

  /// The next connection; waits for it. Fails with errc::closed after close(). With no file descriptors left it fails
  /// at once, every time, and the connection keeps waiting: let some end before trying again.
  /// Parks.
  /// Cancel: no connection was taken.
  [[nodiscard]] result<tcp_stream> accept() { return await(async_accept()); }
  [[nodiscard]] accept_operation async_accept() noexcept { return accept_operation{socket_.get()}; }

  /// Where it listens.
  [[nodiscard]] const endpoint& local() const noexcept { return local_; }

  /// Wakes everybody in accept() with errc::closed. Connections that nobody accepted yet are reset.
  void close() noexcept { socket_.get().close(); }

 private:
  tcp_listener(detail::owned_descriptor socket, const endpoint& local) noexcept
      : socket_{std::move(socket)}, local_{local} {}

  detail::owned_descriptor socket_;
  endpoint local_;
};

}  // namespace weft
