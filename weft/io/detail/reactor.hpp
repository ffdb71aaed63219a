#pragma once

#include <memory>

#include <weft/base/result.hpp>
#include <weft/io/detail/file_call.hpp>
#include <weft/sched/driver.hpp>

#include "weft/io/detail/descriptor_table.hpp"

namespace weft::io {

/// A seat's driver that also watches descriptors: each is registered once, with the reactor of the seat where it is
/// first waited for, and reports every later change (edge-triggered) through descriptor::deliver().
class reactor : public sched::driver {
 public:
  /// Starts to report what happens to `number` as `life`. Returns 0 or an errno.
  /// Thread: the carrier that sits on the seat; of the standby reactor, any.
  [[nodiscard]] virtual int add(int number, detail::descriptor::token life) noexcept = 0;

  /// The same, now or soon. A failure that comes later is told by descriptor::refuse().
  /// Thread: any, which holds the lock of `entry`.
  [[nodiscard]] virtual int add_from_elsewhere(detail::descriptor& entry, int number,
                                               detail::descriptor::token life) noexcept = 0;

  /// Stops reporting, and sees to it that descriptor::close_number() is called: now, or soon.
  /// Thread: any.
  virtual void remove(detail::descriptor& entry, int number, detail::descriptor::token life) noexcept = 0;

  /// Whether it makes calls on files.
  [[nodiscard]] virtual bool does_files() const noexcept { return false; }

  /// Looks through the whole table, which all reactors share: for callers that look seldom.
  [[nodiscard]] bool awaits_input() const noexcept override { return detail::descriptor::anyone_waits(); }

  /// Makes a call on a file.
  /// Thread: the carrier that sits on the seat.
  /// Lifetime: the request, until it is completed.
  virtual void submit(detail::file_request&) noexcept {}

  /// Asks for a submitted call to end early. It is completed in any case, soon or not.
  /// Thread: any.
  /// Lifetime: the request stays until it is completed and withdraw() has returned.
  virtual void cancel(detail::file_request&) noexcept {}

  /// A completed call need not be cancelled any more.
  /// Thread: any.
  virtual void withdraw(detail::file_request&) noexcept {}
};

/// Where the caller registers descriptors and submits calls: the reactor of its seat, which stays the caller's while
/// this lives; for a task that lost its seat some other seat's; elsewhere the standby reactor, whose own thread polls
/// it. Not to be kept across a park.
class reactor_here {
 public:
  reactor_here();

  [[nodiscard]] reactor& operator*() const noexcept { return reactor_; }

  /// Starts to report what happens to the descriptor, whose lock the caller holds. Returns 0 or an errno.
  [[nodiscard]] int add(detail::descriptor& entry, int number, detail::descriptor::token life) const noexcept {
    return seat_.is_of_own_seat() ? reactor_.add(number, life) : reactor_.add_from_elsewhere(entry, number, life);
  }

  /// Who makes calls on files for the caller, or null: nobody here.
  [[nodiscard]] reactor* for_files() const noexcept {
    return seat_.is_of_own_seat() && reactor_.does_files() ? &reactor_ : nullptr;
  }

 private:
  sched::held_driver seat_;
  reactor& reactor_;
};

[[nodiscard]] result<std::unique_ptr<reactor>> make_epoll_reactor();

/// Fails when the kernel refuses (too old, or forbidden by sysctl or seccomp) or when weft was built without it.
[[nodiscard]] result<std::unique_ptr<reactor>> make_io_uring_reactor();

}  // namespace weft::io
