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
  bool asleep = false;             ///< the thread has nothing to do until something runs
};

}  // namespace weft
