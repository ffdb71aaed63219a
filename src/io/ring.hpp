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
  [[nodiscard]] bool goes_on() const noexcept { return flags & IORING_CQE_F_MORE; }
};

/// An io_uring. It belongs to the OS thread that enables it (SINGLE_ISSUER): no other may enter the kernel with it.
/// Thread: the owner, but for what says otherwise.
class ring {
 public:
  /// With the best of the flags that this kernel knows. Owned by nobody yet. Thread: any.
  [[nodiscard]] static result<std::unique_ptr<ring>> make();
  /// Ends what the kernel still does for it. Thread: any.
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

  /// Calls `f(completion)` with what has completed.
  template <class F>
  void reap(F f) {
    std::array<completion, 64> batch;
    std::size_t count = batch.size();
    while (count == batch.size()) {
      count = take(batch);
      for (std::size_t i = 0; i < count; ++i) f(batch[i]);
    }
  }

  // For who has taken the ring over from its owner: requests and completions lie in memory that both see, and only
  // entering the kernel is the owner's. Thread: one at a time; the owner does none of the above meanwhile.

  /// Calls `f(entry)` with each request that was not handed over. `f` may change it.
  template <class F>
  void for_each_pending(F f) {
    for (auto i = consumed(); i != ring_.sq.sqe_tail; ++i) f(ring_.sq.sqes[i & ring_.sq.ring_mask]);
  }
  /// As next_entry(), but null when there is no room.
  [[nodiscard]] io_uring_sqe* try_next_entry() noexcept { return ::io_uring_get_sqe(&ring_); }
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

  [[nodiscard]] std::size_t take(std::array<completion, 64>& batch) noexcept;
  [[nodiscard]] unsigned consumed() const noexcept;
  [[nodiscard]] unsigned flags() const noexcept;

  io_uring ring_;
  int owner_ = 0;
};

}  // namespace weft::io
