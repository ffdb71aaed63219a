#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <weft/base/clock.hpp>

#include "weft/io/detail/ring.hpp"

// How a ring changes hands, and why no request is lost.
//
// A ring belongs to the OS thread that enabled it, its owner. No other thread may enter the kernel with it
// (SINGLE_ISSUER), and completions become visible only when the owner enters (DEFER_TASKRUN). Once the owner's thread
// has ended they never do: the kernel has no thread left to tell them by. So a request is safe in the kernel's hands as
// long as its owner's thread lives, and the protocol sees to that.
//
//   state      begins with                          who touches what
//   spare      ring::make() by the watchdog         the watchdog
//   seated     enable() by the carrier that sits    the owner: everything
//              down on the seat
//   lost       the watchdog gives the seat away     the owner runs a task and touches nothing. Its task over, it waits
//              while the owner's task runs          until the ring is not lost any more, and only then goes on
//   retired    retire() by the successor, where     the seat's carrier: memory, under mutex_. The owner: enters the
//              the kernel works on calls            kernel in a signal handler, when the seat's carrier asks (SIGURG)
//   draining   drain_own() by the owner, its        the owner: takes completions under mutex_, enters. The seat's
//              task over                            carrier: queues requests to cancel under mutex_, asks the owner
//   closed     the successor, where the kernel      nobody
//              works on nothing; else whoever is
//              the last to let go
//
// Why nothing is lost:
//
//   lost to retired    A lost ring always finds its successor: the watchdog seats a carrier that exists, and that
//                      carrier begins before it does anything else, at shutdown too. It takes out the calls that were
//                      not handed to the kernel, and retires the ring for the others. The owner's thread cannot end
//                      before.
//   retired            What the kernel has to say, or has yet to be handed, shows in the ring's flags and counters
//                      (needs_owner()). The seat's carrier looks every millisecond and asks the owner until it is done.
//   draining           The owner goes on only when no call is under way, so every completion was taken.
//   twice in a row     The rings belong to the seat, not to the carrier that retired them: the next one goes on.
//   cancelling         A request to cancel waits with the reactor until every retired ring has room for it.
//   delivering         Completions are taken under mutex_ and delivered without: a delivery takes locks of the reactor,
//                      under which that calls cancel().
//
// A signal that finds the ring closed enters nothing: a thread owns one ring in its life, and the number of a closed
// ring that another got is refused to it.

namespace weft::io {

/// The rings of OS threads that lost their seat to another while a task of theirs computed or blocked, for as long as
/// the kernel works on file calls that they submitted.
/// Thread: the carrier that sits on the seat, but for drain_own().
class retired_rings {
 public:
  [[nodiscard]] bool empty() const noexcept { return rings_.empty(); }

  /// The kernel works on `calls` file calls for `lost`, of which nothing is pending but requests to cancel. The polls
  /// on it are ended: the new ring has its own.
  void retire(std::unique_ptr<ring> lost, unsigned calls);

  /// Delivers what has completed. Returns when to come again.
  [[nodiscard]] time_point visit();

  /// Whether cancel() may be called once. Where not, the owners are asked to make room: come again after visit().
  [[nodiscard]] bool have_room() noexcept;

  /// Asks for the request with that user data to end early, wherever it is.
  void cancel(std::uint64_t data) noexcept;

  /// Lets the kernel finish with a ring that the calling OS thread owned, if it did, and delivers what it says.
  /// Thread: any whose ring is not lost any more.
  void drain_own();

 private:
  struct retired {
    std::unique_ptr<ring> lost;
    unsigned calls;  // under way
    bool polls_are_ended = false;
    bool owner_is_back = false;  // and takes what has completed
    time_point asked{};          // when the owner was interrupted last
  };

  /// Under mutex_.
  static std::size_t take(retired& from, ring::completions& batch) noexcept;
  static void deliver(std::span<const completion> taken);
  static void end_polls(retired& of) noexcept;
  static void ask_owner(retired& of, time_point present) noexcept;

  void reap(retired& from);

  std::mutex mutex_;                             // guards the retired rings
  std::vector<std::shared_ptr<retired>> rings_;  // changed by the seat's carrier alone, under mutex_
};

}  // namespace weft::io
