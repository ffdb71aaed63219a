#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <weft/stack/detail/parked_flows.hpp>
#include <weft/stack/detail/stack_pool.hpp>

#include "weft/stack/detail/image.hpp"

// Putting parked stacks away and bringing them back.
//
// The word `state` in a slot's descriptor:
//
//   awake        the stack's memory is as usual
//   in transit   one thread puts it away or brings it back; every other thread that faults on it waits
//   image*       put away: its pages are gone and every access to them faults
//
//   awake      -> in transit   the thread that puts away, after hold(): nobody resumes it, so its stack pointer stays
//   in transit -> image*       the same thread, once every access to the stack faults
//   in transit -> awake        the same thread, when the wait has ended, the image does not fit or the kernel refuses
//   image*     -> in transit   the first thread that faults, in its signal handler, or that calls bring_back()
//   in transit -> awake        the same thread, once the contents are back
//
// Others may read and write a parked stack at any moment. So that no access is lost or sees half of it:
//
//   PROT_READ         from here on a write faults. Whoever claims or notifies the wait writes to the control block: if
//                     the wait is undecided now, it stays so. The live bytes are copied
//   PROT_NONE         from here on a read faults as well
//   guard markers     the pages go, and every page faults for itself, without a mapping of its own
//   PROT_READ|WRITE   the mapping is whole again, and the markers alone make accesses fault
//
// and back: each live page is put where its marker was, whole, in one step (page_fill.hpp), then the markers on the
// dead pages go. Where the system has no means for that step: PROT_NONE, markers off, contents written through
// /proc/self/mem, which the protection does not bind, PROT_READ|WRITE.
//
// Why every thread comes to an end: a thread in transit waits for nothing but a fork() under way, and takes no lock
// while others may be stopped on the stack. Under a sanitizer that includes the sanitizer's own locks, which the
// stopped threads may hold: what runs in transit, and in the handler, is compiled without instrumentation.

namespace weft::stack {

class reservation;

/// A stack that is being put away.
struct eviction {
  slot* stack = nullptr;
  void* flow = nullptr;
  image* room = nullptr;  // for what it holds; null: it stays
  bool is_gone = false;
};

/// The transitions of one slot, and what they share.
struct hibernation {
  static constexpr std::uintptr_t awake = 0, in_transit = 1;

  /// Stacks that are put away with one change of protection: enough that it does not count, few enough that nobody
  /// waits for long who wants one of them.
  static constexpr std::size_t most_at_once = 64;

  [[nodiscard]] static std::size_t choose(const reservation& area, std::size_t first, std::size_t last,
                                          parked_flows& flows, patience how, eviction* chosen,
                                          put_away_counts& counts) noexcept;
  static void put_away_chosen(std::span<eviction> chosen, parked_flows& flows, put_away_counts& counts) noexcept;

  /// In the signal handler: true when the access can be repeated. False: the fault has nothing to do with stacks that
  /// are put away.
  [[nodiscard]] static bool settle(const void* address, bool is_instruction) noexcept;

  static void bring_back(slot& stack) noexcept;

 private:
  [[nodiscard]] static void* occupant_of(const slot& stack) noexcept;
  static void set_state(slot& stack, std::uintptr_t state) noexcept;
  static void put_away(std::span<eviction> neighbours, parked_flows& flows) noexcept;
  static void restore(slot& stack, image& kept) noexcept;
};

}  // namespace weft::stack
