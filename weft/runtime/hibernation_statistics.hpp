#pragma once

#include <cstdint>
#include <string_view>

#include <weft/base/clock.hpp>

namespace weft {

/// For runtime_options::hibernate_after: parked virtual threads keep their stacks.
inline constexpr duration no_hibernation = duration::max();

/// What hibernation has done in a runtime.
struct hibernation_statistics {
  /// Why nothing is put away; empty when parked stacks are. Ends with the program.
  std::string_view obstacle = {};
  std::uint64_t looks = 0;         ///< times that the runtime's thread looked through the stacks
  std::uint64_t put_away = 0;      ///< stacks put away, each time counted
  std::uint64_t brought_back = 0;  ///< stacks brought back, in the whole process
  std::uint64_t relieved = 0;      ///< times that memory was short, and what stayed parked for 0.1 s was put away
  bool asleep = false;             ///< the thread has nothing to do until something runs
  /// The kernel tells when memory is short: Linux with PSI, of the control group or of the machine.
  bool watches_memory_pressure = false;
};

}  // namespace weft
