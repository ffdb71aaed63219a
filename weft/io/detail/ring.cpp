#include "weft/io/detail/ring.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <new>

#include <sys/syscall.h>
#include <unistd.h>

#include <weft/base/check.hpp>

#include "weft/base/detail/thread_interrupt.hpp"
#include "weft/io/detail/time.hpp"

namespace weft::io {
namespace {

// The kernel may map a new ring where an ended one was. For the language, memory that goes through the kernel orders
// nothing: this does.
std::atomic<unsigned> rings_ended{0};

constexpr unsigned submission_entries = 256, completion_entries = 4096;

// Not liburing's, which would touch what may be another thread's now. Two calls: one that submits less than it was
// asked to does nothing else.

void submit_published(int ring_number) noexcept {
  ::syscall(__NR_io_uring_enter, ring_number, submission_entries, 0, 0, nullptr, 0);
}

void get_events(int ring_number) noexcept {
  ::syscall(__NR_io_uring_enter, ring_number, 0, 0, IORING_ENTER_GETEVENTS, nullptr, 0);
}

}  // namespace

result<std::unique_ptr<ring>> ring::make() {
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
    io_uring made{};
    io_uring_params wishes{};
    wishes.flags = flags;
    wishes.cq_entries = completion_entries;
    error = -::io_uring_queue_init_params(submission_entries, &made, &wishes);
    if (error == 0) {
      // acquire: comes after whoever used the memory before; pairs with ~ring()
      static_cast<void>(rings_ended.load(std::memory_order_acquire));
      std::unique_ptr<ring> owned{new (std::nothrow) ring{made}};
      if (!owned) {
        ::io_uring_queue_exit(&made);
        return failure_from_errno(ENOMEM);
      }
      if ((wishes.features & needed) == needed) return owned;
      return failure_from_errno(EOPNOTSUPP);
    }
    if (error != EINVAL) break;
  }
  return failure_from_errno(error);
}

ring::~ring() {
  // acq_rel: what was done with its memory, and with that of the rings ended before; pairs with make()
  rings_ended.fetch_add(1, std::memory_order_acq_rel);
  ::io_uring_queue_exit(&ring_);
}

void ring::enable() noexcept {
  owner_ = static_cast<int>(::syscall(SYS_gettid));
  // liburing 2.3 declares io_uring_enable_rings() but its shared library lacks it.
  auto outcome = ::syscall(__NR_io_uring_register, ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  WEFT_CHECK(outcome == 0, "the kernel refuses to enable a ring that it made: use WEFT_REACTOR=epoll");
}

io_uring_sqe& ring::next_entry() noexcept {
  auto* entry = ::io_uring_get_sqe(&ring_);
  while (!entry) {
    // Full: hand over what there is. Interrupted or short of memory for a moment: again.
    ::io_uring_submit(&ring_);
    entry = ::io_uring_get_sqe(&ring_);
  }
  return *entry;
}

void ring::enter() noexcept {
  if (::io_uring_sq_ready(&ring_) > 0) {
    ::io_uring_submit_and_get_events(&ring_);
    return;
  }
  // The kernel says so when completions wait for us to enter it.
  if (flags() & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) ::io_uring_get_events(&ring_);
}

void ring::wait(time_point deadline) noexcept {
  __kernel_timespec timeout{};
  auto left = until(deadline);
  if (left) timeout = {.tv_sec = left->tv_sec, .tv_nsec = left->tv_nsec};
  io_uring_cqe* first = nullptr;
  // Whatever ends it, reap() finds what there is, and who waits asks again.
  ::io_uring_submit_and_wait_timeout(&ring_, &first, 1, left ? &timeout : nullptr, nullptr);
}

std::size_t ring::take(completions& batch) noexcept {
  unsigned head = 0, count = 0;
  io_uring_cqe* seen = nullptr;
  io_uring_for_each_cqe(&ring_, head, seen) {
    if (count == batch.size()) break;
    batch[count++] = {seen->user_data, seen->res, seen->flags};
  }
  // Before they are delivered: a delivery may submit what completes at once, and needs the room.
  ::io_uring_cq_advance(&ring_, count);
  return count;
}

unsigned ring::flags() const noexcept {
  // relaxed: a hint, which the kernel writes
  return std::atomic_ref{*ring_.sq.kflags}.load(std::memory_order_relaxed);
}

unsigned ring::consumed() const noexcept {
  // acquire: the kernel has read the entries before; pairs with its release
  return std::atomic_ref{*ring_.sq.khead}.load(std::memory_order_acquire);
}

void ring::end_requests_at(unsigned end) noexcept {
  auto& queue = ring_.sq;
  for (auto i = consumed(); i != end; ++i) queue.array[i & queue.ring_mask] = i & queue.ring_mask;
  queue.sqe_head = queue.sqe_tail = end;
  // release: the entries; pairs with the kernel's acquire on behalf of the owner
  std::atomic_ref{*queue.ktail}.store(end, std::memory_order_release);
}

void ring::publish_entries() noexcept { end_requests_at(ring_.sq.sqe_tail); }

bool ring::needs_owner() const noexcept {
  return (flags() & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) || consumed() != ring_.sq.sqe_tail;
}

void ring::wait_as_owner() noexcept {
  submit_published(ring_.ring_fd);
  // What is published from here on comes with an interrupt, whose handler hands it over. The task that ran here may
  // have left the signal blocked: it is allowed while this waits.
  const auto blocked = base::thread_interrupt::mask_that_allows();
  io_uring_getevents_arg how{};
  how.sigmask = reinterpret_cast<std::uint64_t>(&blocked);
  how.sigmask_sz = _NSIG / 8;
  ::syscall(__NR_io_uring_enter, ring_.ring_fd, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &how, sizeof how);
}

void ring::enter_in_signal_handler(int ring_number) noexcept {
  submit_published(ring_number);
  get_events(ring_number);
}

}  // namespace weft::io
