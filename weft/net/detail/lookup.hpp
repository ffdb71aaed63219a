#pragma once

#include <optional>
#include <string>
#include <vector>

#include <weft/base/clock.hpp>
#include <weft/base/result.hpp>
#include <weft/io/detail/descriptor.hpp>
#include <weft/net/resolve.hpp>
#include <weft/task/operation.hpp>

struct ares_channeldata;
struct ares_addrinfo;

namespace weft::io {

/// Waits until a lookup has something to do.
class lookup_ready_operation final
    : public detail::descriptor_operation<lookup_ready_operation, detail::direction::receive> {
 public:
  using value_type = result<void>;
  explicit lookup_ready_operation(detail::descriptor_reference sockets) noexcept : descriptor_operation{sockets} {}

  [[nodiscard]] value_type take() const { return outcome_; }
  [[nodiscard]] static value_type fail(errc reason) { return failure(reason); }

 private:
  friend descriptor_operation;
  [[nodiscard]] bool attempt();

  value_type outcome_;
};

/// One question to the name servers, put and understood by c-ares; the waiting is weft's. The sockets that c-ares opens
/// are gathered in an epoll of their own, which is ready when any of them is: one descriptor to wait for, on any
/// reactor and on a plain OS thread alike.
/// Thread: one at a time.
class lookup {
 public:
  lookup() = default;
  ~lookup();
  lookup(const lookup&) = delete;
  lookup& operator=(const lookup&) = delete;

  /// Puts the question.
  [[nodiscard]] result<void> start(const std::string& host, std::uint16_t port, const resolve_options& options);

  /// The answer, once there is one.
  [[nodiscard]] std::optional<result<std::vector<endpoint>>>& answer() noexcept { return answer_; }

  [[nodiscard]] lookup_ready_operation async_ready() noexcept { return lookup_ready_operation{gathered_.get()}; }

  /// When process() has something to do even if no socket is ready.
  [[nodiscard]] time_point next_timeout() const;

  /// Reads and writes what it can, asks again whom it has waited for long enough.
  void process();

 private:
  static void watch(void* self, int socket, int readable, int writable);
  static void answered(void* self, int status, int timeouts, ares_addrinfo* found);

  detail::owned_descriptor gathered_;
  int gathered_number_ = -1;
  ares_channeldata* channel_ = nullptr;
  std::optional<result<std::vector<endpoint>>> answer_;
};

}  // namespace weft::io
