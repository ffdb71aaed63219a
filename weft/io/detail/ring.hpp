#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <liburing.h>

#include <weft/base/clock.hpp>
#include <weft/base/result.hpp>

namespace weft::io {

/// What the kernel says of a request.
struct completion {
  std::uint64_t data;  ///< what the request carried
  std::int32_t outcome;
  std::uint32_t flags;

  /// The request will say more.
  [[nodiscard]] bool has_more() const noexcept { return flags & IORING_CQE_F_MORE; }
};

/// An io_uring. It belongs to the OS thread that enables it (SINGLE_ISSUER): no other may enter the kernel with it.
/// Thread: the owner, but for what says otherwise.
class ring {
 public:
  /// With the best of the flags that this kernel knows. Owned by nobody yet.
  /// Thread: any.
  [[nodiscard]] static result<std::unique_ptr<ring>> make();
  /// Ends what the kernel still does for it.
  /// Thread: any.
  ~ring();
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;

  /// The calling OS thread owns it from now on.
  void enable() noexcept;
  /// The number of the owner to the system; 0: there is none yet.
  [[nodiscard]] int owner() const noexcept { return owner_; }
  [[nodiscard]] int number() const noexcept { return ring_.ring_fd; }

  /// A request to be filled in, handed to the kernel by the next enter().
  [[nodiscard]] io_uring_sqe& next_entry() noexcept;

  /// Hands over the requests, and lets the kernel say what has completed, if there is anything to hand over or to say.
  void enter() noexcept;
  /// The same, and waits for a completion until `deadline`, or a signal.
  void wait(time_point deadline) noexcept;

  /// Takes completions, the oldest first, and makes room for as many. Fewer than fit: there are no more.
  using completions = std::array<completion, 64>;
  [[nodiscard]] std::size_t take(completions& batch) noexcept;

  /// Calls `f(completion)` with what has completed.
  template <class F>
  void reap(F f) {
    completions batch;
    std::size_t count = batch.size();
    while (count == batch.size()) {
      count = take(batch);
      for (std::size_t i = 0; i < count; ++i) f(batch[i]);
    }
  }

  // For the carrier that has taken the ring over from its owner: requests and completions lie in memory that both see,
  // and only entering the kernel is the owner's.
  // Thread: one at a time; the owner does none of the above meanwhile.

  /// Takes out the requests that were not handed over, except those of which `stays(entry)` is true. The kernel sees
  /// those when the owner enters next. The owner does not enter meanwhile.
  template <class F>
  void take_out_pending(F stays) {
    const auto& queue = ring_.sq;
    auto end = consumed();
    for (auto i = end; i != queue.sqe_tail; ++i) {
      const auto& entry = queue.sqes[i & queue.ring_mask];
      if (stays(entry)) queue.sqes[end++ & queue.ring_mask] = entry;
    }
    end_requests_at(end);
  }
  /// As next_entry(), but null when there is no room.
  [[nodiscard]] io_uring_sqe* try_next_entry() noexcept { return ::io_uring_get_sqe(&ring_); }
  [[nodiscard]] bool has_room() noexcept { return ::io_uring_sq_space_left(&ring_) > 0; }
  /// Lets the kernel see the requests when the owner enters next.
  void publish_entries() noexcept;
  /// Nothing goes on until the owner enters.
  [[nodiscard]] bool needs_owner() const noexcept;

  /// By the owner, while another does the above: hands over what is published, and waits for a completion or a signal.
  void wait_as_owner() noexcept;

  /// Hands over all requests that are published and lets the kernel say what has completed. Async-signal-safe.
  static void enter_in_signal_handler(int ring_number) noexcept;

 private:
  explicit ring(const io_uring& made) noexcept : ring_{made} {}

  void end_requests_at(unsigned end) noexcept;
  [[nodiscard]] unsigned consumed() const noexcept;
  [[nodiscard]] unsigned flags() const noexcept;

  io_uring ring_;
  int owner_ = 0;
};

}  // namespace weft::io
