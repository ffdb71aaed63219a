#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include <weft/base/clock.hpp>

#include "io/ring.hpp"

namespace weft::io {

// The rings of OS threads that lost their seat to another while a task of theirs computed or blocked, for as long as
// the kernel works on file calls that they submitted. Such a call cannot be taken over; its completion can, with the
// owner's help:
//
//   adopt()        by the carrier that has the seat now. The polls on the ring are ended: the new ring has its own
//   visit()        by that carrier, again and again: takes what has completed. The kernel says nothing until the owner
//                  enters it, so where there is something to say the owner is interrupted, and enters in a signal
//                  handler (thread_interrupt)
//   drain_own()    by the owner, once its task has parked: stays until nothing is under way. Were it to end before,
//                  the kernel would cancel the calls
//
// A signal that finds the ring closed enters nothing, or another ring of the same thread, which does no harm.

/// Thread: the carrier that sits on the seat, but for drain_own().
class orphaned_rings {
 public:
  [[nodiscard]] bool empty() const noexcept { return rings_.empty(); }

  /// The kernel works on `calls` file calls for `lost`.
  void adopt(std::unique_ptr<ring> lost, unsigned calls);

  /// Delivers what has completed. Returns when to come again.
  [[nodiscard]] time_point visit();

  /// Asks for the request with that user data to end early, wherever it is.
  void cancel(std::uint64_t data) noexcept;

  /// Lets the kernel finish with a ring that the calling OS thread owned, if it did.
  /// Thread: any.
  void drain_own();

 private:
  struct orphan {
    std::unique_ptr<ring> lost;
    unsigned calls;              // under way
    bool owner_is_back = false;  // and takes what has completed
    time_point asked{};          // when the owner was interrupted last
  };

  static void reap(orphan& from);
  static void ask_owner(orphan& of, time_point present) noexcept;

  std::mutex mutex_;                            // guards the orphans
  std::vector<std::shared_ptr<orphan>> rings_;  // changed by the seat's carrier alone, under mutex_
};

}  // namespace weft::io
