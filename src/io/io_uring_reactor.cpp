#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <optional>

#include <fcntl.h>
#include <liburing.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weft/base/check.hpp>
#include <weft/base/spin_lock.hpp>

#include "io/reactor.hpp"
#include "io/time.hpp"
#include "io/wake_state.hpp"

// A ring belongs to the carrier that enabled it (SINGLE_ISSUER): it alone queues requests and reaps completions, and it
// enters the kernel once for both (poll). What other threads want of the ring, they leave in a list and wake it:
//
//   remove     a descriptor that was closed elsewhere. A poll request holds the file open, so the ring must end it
//   cancel     a file call whose task was cancelled and woke elsewhere
//
// Completions are told apart by their user data: a descriptor's token (highest bit set), the wake-up, nothing of
// interest, or else the address of a file request.

namespace weft::io {
namespace {

using detail::descriptor;
using detail::file_call;
using detail::file_request;

constexpr std::uint64_t ignored = 0, woken = 1, token_bit = 1ull << 63;
constexpr unsigned submission_entries = 256, completion_entries = 4096;
constexpr unsigned watched_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP;

class io_uring_reactor final : public reactor {
 public:
  io_uring_reactor(const io_uring& ring, int eventfd) noexcept : ring_{ring}, eventfd_{eventfd} {}

  ~io_uring_reactor() override {
    descriptor::forget_reactor(*this);
    // acquire: sees the entries as remove() left them
    auto* entry = removed_.exchange(nullptr, std::memory_order_acquire);
    while (entry) close_removed(*std::exchange(entry, entry->next_removed));
    ::io_uring_queue_exit(&ring_);
    ::close(eventfd_);
  }

  void poll(time_point deadline) override {
    if (!enabled_) enable();
    take_removals();
    take_cancellations();
    bool waits = deadline != time_point::min() && wake_.begin_wait();
    if (waits) {
      wait(deadline);
      wake_.end_wait();
    } else {
      submit_without_waiting();
    }
    reap();
  }

  void wake() noexcept override { wake_.wake(eventfd_); }

  int add(int number, descriptor::token life) noexcept override {
    watch(number, life);
    return 0;
  }

  void remove(descriptor& entry, int number, descriptor::token life) noexcept override {
    // The poll request holds the socket open a little longer: let the peer know, and the address free, at once.
    ::shutdown(number, SHUT_RDWR);
    if (sched::held_driver here; here.get() == this) {
      end_watch(life);
      descriptor::close_number(number);
      return;
    }
    // relaxed: only a starting value for the exchange
    auto* first = removed_.load(std::memory_order_relaxed);
    do {
      entry.next_removed = first;
      // release: publishes the entry to take_removals()
    } while (!removed_.compare_exchange_weak(first, &entry, std::memory_order_release, std::memory_order_relaxed));
    wake();
  }

  bool does_files() const noexcept override { return true; }

  /// The ring belongs to the OS thread that enabled it.
  bool can_change_thread() const noexcept override { return false; }

  void submit(file_request& request) noexcept override {
    auto& entry = next_entry();
    prepare(entry, request.call);
    ::io_uring_sqe_set_data(&entry, &request);
  }

  void cancel(file_request& request) noexcept override {
    {
      std::lock_guard guard{cancelled_lock_};
      cancelled_.push_back(request);
    }
    wake();
  }

  void withdraw(file_request& request) noexcept override {
    std::lock_guard guard{cancelled_lock_};
    if (request.is_linked()) base::intrusive_list<file_request>::remove(request);
  }

 private:
  /// On the carrier, which from now on owns the ring.
  void enable() noexcept {
    enabled_ = true;
    // liburing 2.3 declares io_uring_enable_rings() but its shared library lacks it.
    auto outcome = ::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    WEFT_CHECK(outcome == 0, "the kernel refuses to enable a ring that it made: use WEFT_REACTOR=epoll");
    watch(eventfd_, woken);
  }

  [[nodiscard]] io_uring_sqe& next_entry() noexcept {
    if (!enabled_) enable();
    auto* entry = ::io_uring_get_sqe(&ring_);
    while (!entry) {
      // Full: hand over what there is. Interrupted or short of memory for a moment: again.
      ::io_uring_submit(&ring_);
      entry = ::io_uring_get_sqe(&ring_);
    }
    return *entry;
  }

  void watch(int number, std::uint64_t data) noexcept {
    auto& entry = next_entry();
    ::io_uring_prep_poll_multishot(&entry, number, watched_events);
    ::io_uring_sqe_set_data64(&entry, data);
  }

  void end_watch(descriptor::token life) noexcept {
    auto& entry = next_entry();
    // Not io_uring_prep_poll_remove(): it leaves a poll that is about to report something, such as that the socket was
    // shut down, and that poll would hold the socket open for ever.
    ::io_uring_prep_cancel64(&entry, life, 0);
    ::io_uring_sqe_set_data64(&entry, ignored);
  }

  void close_removed(descriptor& entry) noexcept {
    // The number's own entry goes to the next life as soon as it is closed.
    descriptor::close_number(static_cast<int>(static_cast<std::uint32_t>(entry.removed_token())));
  }

  void take_removals() noexcept {
    // relaxed: whoever adds one after this wakes the reactor
    if (!removed_.load(std::memory_order_relaxed)) return;
    // acquire: sees the entries as remove() left them
    auto* entry = removed_.exchange(nullptr, std::memory_order_acquire);
    while (entry) {
      auto& closing = *std::exchange(entry, entry->next_removed);
      end_watch(closing.removed_token());
      close_removed(closing);
    }
  }

  void take_cancellations() noexcept {
    std::lock_guard guard{cancelled_lock_};
    while (auto* request = cancelled_.pop_front()) {
      auto& entry = next_entry();
      ::io_uring_prep_cancel64(&entry, reinterpret_cast<std::uint64_t>(request), 0);
      ::io_uring_sqe_set_data64(&entry, ignored);
    }
  }

  void wait(time_point deadline) noexcept {
    __kernel_timespec timeout{};
    auto left = until(deadline);
    if (left) timeout = {.tv_sec = left->tv_sec, .tv_nsec = left->tv_nsec};
    io_uring_cqe* first = nullptr;
    // Whatever ends it, reap() finds what there is, and the scheduler asks again.
    ::io_uring_submit_and_wait_timeout(&ring_, &first, 1, left ? &timeout : nullptr, nullptr);
  }

  void submit_without_waiting() noexcept {
    if (::io_uring_sq_ready(&ring_) > 0) {
      ::io_uring_submit_and_get_events(&ring_);
      return;
    }
    // The kernel says so when completions wait for us to enter it.
    auto flags = std::atomic_ref{*ring_.sq.kflags}.load(std::memory_order_relaxed);  // relaxed: a hint
    if (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) ::io_uring_get_events(&ring_);
  }

  void reap() noexcept {
    unsigned head = 0, count = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      ++count;
      deliver(*completion);
    }
    ::io_uring_cq_advance(&ring_, count);
  }

  void deliver(const io_uring_cqe& completion) noexcept {
    auto data = ::io_uring_cqe_get_data64(&completion);
    if (data == ignored) return;
    bool goes_on = completion.flags & IORING_CQE_F_MORE;
    if (data == woken) {
      if (!goes_on) watch(eventfd_, woken);
    } else if (data & token_bit) {
      deliver_events(data, completion.res, goes_on);
    } else {
      reinterpret_cast<file_request*>(data)->completed(completion.res);
    }
  }

  void deliver_events(descriptor::token life, std::int32_t events, bool goes_on) noexcept {
    if (events < 0) return descriptor::refuse(life, -events);
    bool failed = events & (EPOLLERR | EPOLLHUP);
    descriptor::deliver(life, {.receive = failed || (events & (EPOLLIN | EPOLLRDHUP)),
                               .send = failed || (events & EPOLLOUT),
                               .hung_up = failed || (events & EPOLLRDHUP)});
    // The kernel ends a poll when completions have no room: watch a descriptor that may change again.
    if (!goes_on && !failed && descriptor::is_registered(life)) {
      watch(static_cast<int>(static_cast<std::uint32_t>(life)), life);
    }
  }

  static void prepare(io_uring_sqe& entry, const file_call& call) noexcept {
    auto bytes = static_cast<unsigned>(call.bytes);
    switch (call.what) {
      case file_call::kind::open:
        return ::io_uring_prep_openat(&entry, AT_FDCWD, call.path, call.flags, call.permissions);
      case file_call::kind::read: return ::io_uring_prep_read(&entry, call.number, call.buffer, bytes, call.offset);
      case file_call::kind::write: return ::io_uring_prep_write(&entry, call.number, call.buffer, bytes, call.offset);
      case file_call::kind::append:
        return ::io_uring_prep_write(&entry, call.number, call.buffer, bytes, static_cast<std::uint64_t>(-1));
      case file_call::kind::sync: return ::io_uring_prep_fsync(&entry, call.number, 0);
      case file_call::kind::rename: return ::io_uring_prep_rename(&entry, call.path, call.path_to);
      case file_call::kind::remove: return ::io_uring_prep_unlink(&entry, call.path, 0);
    }
  }

  io_uring ring_;
  const int eventfd_;
  bool enabled_ = false;
  wake_state wake_;
  std::atomic<descriptor*> removed_{nullptr};
  base::spin_lock cancelled_lock_;  // guards cancelled_ and the links in it
  base::intrusive_list<file_request> cancelled_;
};

/// A ring that is not enabled yet, with the best of the flags that this kernel knows.
[[nodiscard]] result<io_uring> make_ring() {
  constexpr unsigned always = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
  constexpr std::array<unsigned, 3> choices{
      // Linux 6.1: completions are made when the owner enters the kernel, in one batch
      always | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
          IORING_SETUP_TASKRUN_FLAG,
      // Linux 5.19: at least no interrupt for each
      always | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, always};
  // Waiting with a timeout, and polls that report more than once (which came with tags for resources).
  constexpr unsigned needed = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_RSRC_TAGS;
  int error = 0;
  for (auto flags : choices) {
    io_uring ring{};
    io_uring_params wishes{};
    wishes.flags = flags;
    wishes.cq_entries = completion_entries;
    error = -::io_uring_queue_init_params(submission_entries, &ring, &wishes);
    if (error == 0) {
      if ((wishes.features & needed) == needed) return ring;
      ::io_uring_queue_exit(&ring);
      return failure_from_errno(EOPNOTSUPP);
    }
    if (error != EINVAL) break;
  }
  return failure_from_errno(error);
}

}  // namespace

result<std::unique_ptr<reactor>> make_io_uring_reactor() {
  auto ring = make_ring();
  if (!ring) return std::unexpected{ring.error()};
  auto eventfd = wake_state::make_eventfd();
  if (!eventfd) {
    ::io_uring_queue_exit(&*ring);
    return std::unexpected{eventfd.error()};
  }
  return std::make_unique<io_uring_reactor>(*ring, *eventfd);
}

}  // namespace weft::io
