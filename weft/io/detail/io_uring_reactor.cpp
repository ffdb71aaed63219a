#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include <fcntl.h>
#include <liburing.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weft/base/detail/spin_lock.hpp>

#include "weft/io/detail/completion_data.hpp"
#include "weft/io/detail/reactor.hpp"
#include "weft/io/detail/retired_rings.hpp"
#include "weft/io/detail/ring.hpp"
#include "weft/io/detail/wake_state.hpp"

// A ring belongs to the carrier that enabled it: it alone queues requests and reaps completions, and it enters the
// kernel once for both (poll). What other threads want of the ring, they leave in a list and wake it:
//
//   add        a descriptor that a task without a seat waits for
//   remove     a descriptor that was closed elsewhere. A poll request holds the file open, so the ring must end it
//   cancel     a file call whose task was cancelled and woke elsewhere
//
// When the seat changes hands, the carrier that sits down enables a ring of its own, and what the old ring was to do
// moves there. The carrier before, once its task is over, waits for that: its thread must not end sooner. The protocol
// stands at the top of retired_rings.hpp.
//
//   polls              every registered descriptor is watched anew. A poll says what is ready when it begins, so no
//                      event is lost; one that was reported already is reported again, which the table allows for
//   file calls that    were not handed to the kernel yet: moved over
//   file calls that    are under way stay with the old ring, which is kept until they have completed: retired_rings
//   requests to cancel of file calls: asked of both rings, since the call may be with either
//   removals           a closed descriptor's poll ends with the old ring

namespace weft::io {
namespace {

using detail::descriptor;
using detail::file_call;
using detail::file_request;

constexpr unsigned watched_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP;

class io_uring_reactor final : public reactor {
 public:
  io_uring_reactor(std::unique_ptr<ring> first, int eventfd) noexcept : spare_{std::move(first)}, eventfd_{eventfd} {}

  ~io_uring_reactor() override {
    descriptor::forget_reactor(*this);
    for (auto* entry = take(added_); entry;) {
      static_cast<void>(std::exchange(entry, entry->next_added)->take_added());
    }
    auto* entry = take(removed_);
    while (entry) close_removed(*std::exchange(entry, entry->next_removed));
    ring_.reset();
    ::close(eventfd_);
  }

  void poll(time_point deadline) override {
    take_requests();
    take_cancellations();
    if (!retired_.empty()) [[unlikely]]
      deadline = std::min(deadline, retired_.visit());
    if (deadline != time_point::min() && wake_.begin_wait()) {
      ring_->wait(deadline);
      wake_.end_wait();
    } else {
      ring_->enter();
    }
    reap();
  }

  void wake() noexcept override { wake_.wake(eventfd_); }

  int add(int number, descriptor::token life) noexcept override {
    watch(number, life);
    return 0;
  }

  int add_from_elsewhere(descriptor& entry, int, descriptor::token life) noexcept override {
    entry.begin_adding(life);
    push(added_, entry, &descriptor::next_added);
    wake();
    return 0;
  }

  void remove(descriptor& entry, int number, descriptor::token life) noexcept override {
    // The poll request holds the socket open a little longer: let the peer know, and the address free, at once.
    ::shutdown(number, SHUT_RDWR);
    // One that is in the list yet has to stay until it is taken out.
    if (sched::held_driver here; here.get() == this && here.is_of_own_seat() && !entry.is_being_added()) {
      end_watch(life);
      descriptor::close_number(number);
      return;
    }
    push(removed_, entry, &descriptor::next_removed);
    wake();
  }

  bool does_files() const noexcept override { return true; }

  bool prepare_hand_over() noexcept override {
    if (!spare_) {
      if (auto made = ring::make()) spare_ = std::move(*made);
    }
    return spare_ != nullptr;
  }

  void begin_on_this_thread() noexcept override {
    auto lost = std::exchange(ring_, std::move(spare_));
    auto calls_before = std::exchange(calls_, 0);
    ring_->enable();
    bool takes_over = lost != nullptr;
    if (takes_over) take_over(std::move(lost), calls_before);
    // release: the owner before finds its ring retired or closed; pairs with end_on_this_thread()
    owner_.store(ring_->owner(), std::memory_order_release);
    owner_.notify_all();
    watch(eventfd_, woken);
    if (takes_over) watch_again();
  }

  void end_on_this_thread() noexcept override {
    const auto me = static_cast<int>(::syscall(SYS_gettid));
    // While this thread's ring is lost. acquire: what the successor made of it; pairs with begin_on_this_thread()
    while (owner_.load(std::memory_order_acquire) == me) owner_.wait(me, std::memory_order_acquire);
    retired_.drain_own();
  }

  void submit(file_request& request) noexcept override {
    auto& entry = ring_->next_entry();
    prepare(entry, request.call);
    ::io_uring_sqe_set_data(&entry, &request);
    ++calls_;
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
  /// `lost` was given `calls` that have not completed.
  void take_over(std::unique_ptr<ring> lost, unsigned calls) noexcept {
    lost->take_out_pending([this](const io_uring_sqe& entry) {
      bool is_call = is_file_request(entry.user_data);
      bool cancels_call = entry.opcode == IORING_OP_ASYNC_CANCEL && is_file_request(entry.addr);
      if (is_call || cancels_call) ring_->next_entry() = entry;
      if (is_call) ++calls_;
      return cancels_call;  // the call may be with either
    });
    if (calls > calls_) retired_.retire(std::move(lost), calls - calls_);
  }

  void watch_again() noexcept {
    for (std::uint32_t next = 0; next != descriptor::no_number;) {
      next = descriptor::register_again(*this, next);
      // Each poll says at once what is ready: make room for the next.
      ring_->enter();
      reap();
    }
  }

  void watch(int number, std::uint64_t data) noexcept {
    auto& entry = ring_->next_entry();
    ::io_uring_prep_poll_multishot(&entry, number, watched_events);
    ::io_uring_sqe_set_data64(&entry, data);
  }

  void end_watch(descriptor::token life) noexcept {
    auto& entry = ring_->next_entry();
    // Not io_uring_prep_poll_remove(): it leaves a poll that is about to report something, such as that the socket was
    // shut down, and that poll would hold the socket open for ever.
    ::io_uring_prep_cancel64(&entry, life, 0);
    ::io_uring_sqe_set_data64(&entry, ignored);
  }

  void close_removed(descriptor& entry) noexcept {
    // The number's own entry goes to the next life as soon as it is closed.
    descriptor::close_number(static_cast<int>(static_cast<std::uint32_t>(entry.removed_token())));
  }

  using list = std::atomic<descriptor*>;

  static void push(list& onto, descriptor& entry, descriptor* descriptor::* next) noexcept {
    // relaxed: only a starting value for the exchange
    auto* first = onto.load(std::memory_order_relaxed);
    do {
      entry.*next = first;
      // release: publishes the entry to take()
    } while (!onto.compare_exchange_weak(first, &entry, std::memory_order_release, std::memory_order_relaxed));
  }
  [[nodiscard]] static descriptor* take(list& from) noexcept {
    // relaxed: whoever adds one after this wakes the reactor
    if (!from.load(std::memory_order_relaxed)) return nullptr;
    // acquire: sees the entries as push() published them
    return from.exchange(nullptr, std::memory_order_acquire);
  }

  /// What is removed was added before, so it is found in the list that is taken after.
  void take_requests() noexcept {
    auto* removed = take(removed_);
    take_additions();
    while (removed) {
      auto& closing = *std::exchange(removed, removed->next_removed);
      end_watch(closing.removed_token());
      close_removed(closing);
    }
  }

  void take_additions() noexcept {
    auto* entry = take(added_);
    while (entry) {
      auto life = std::exchange(entry, entry->next_added)->take_added();
      watch(static_cast<int>(static_cast<std::uint32_t>(life)), life);
    }
  }

  void take_cancellations() noexcept {
    while (retired_.have_room()) {
      file_request* request = nullptr;
      {
        std::lock_guard guard{cancelled_lock_};
        request = cancelled_.pop_front();
      }
      if (!request) return;
      // May be completed, and gone, from here on: its address is a name for the kernel. A call that has the same
      // address by then and is cancelled in its place is made again (file_operation::finish()).
      auto data = reinterpret_cast<std::uint64_t>(request);
      auto& entry = ring_->next_entry();
      ::io_uring_prep_cancel64(&entry, data, 0);
      ::io_uring_sqe_set_data64(&entry, ignored);
      if (!retired_.empty()) [[unlikely]]
        retired_.cancel(data);
    }
  }

  void reap() noexcept {
    ring_->reap([this](const completion& one) {
      if (is_token(one.data)) {
        if (deliver_events(one)) watch(static_cast<int>(static_cast<std::uint32_t>(one.data)), one.data);
      } else if (one.data == woken) {
        if (!one.has_more()) watch(eventfd_, woken);
      } else if (one.data != ignored) {
        --calls_;
        deliver_file(one);
      }
    });
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

  std::unique_ptr<ring> ring_;   // of the carrier that sits on the seat; null before the first
  std::unique_ptr<ring> spare_;  // for the next; the watchdog's, who makes it, until the seat changes hands
  unsigned calls_ = 0;           // file calls that ring_ was given and has not completed
  retired_rings retired_;
  std::atomic<int> owner_{0};  // of ring_, as the system numbers threads
  const int eventfd_;
  wake_state wake_;
  list added_{nullptr};
  list removed_{nullptr};
  base::spin_lock cancelled_lock_;  // guards cancelled_ and the links in it
  base::intrusive_list<file_request> cancelled_;
};

}  // namespace

result<std::unique_ptr<reactor>> make_io_uring_reactor() {
  auto first = ring::make();
  if (!first) return std::unexpected{first.error()};
  auto eventfd = wake_state::make_eventfd();
  if (!eventfd) return std::unexpected{eventfd.error()};
  return std::make_unique<io_uring_reactor>(std::move(*first), *eventfd);
}

}  // namespace weft::io
