#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace weft::detail {

/// Which cores share their last-level cache: what the compute pool knows of the machine beside the number of its cores.
/// Thread: any, for every member.
class topology {
 public:
  /// The machine's; read at the first call.
  [[nodiscard]] static const topology& of_this_machine() noexcept;

  /// `group_of_core`: equal numbers for cores that share it, by the number of the core.
  explicit topology(std::vector<std::uint32_t> group_of_core) noexcept : group_of_core_{std::move(group_of_core)} {}

  /// Whether it makes a difference from which core something comes.
  [[nodiscard]] bool has_groups() const noexcept;
  /// 0 for a core that nothing is known of.
  [[nodiscard]] std::uint32_t group_of(std::size_t core) const noexcept {
    return core < group_of_core_.size() ? group_of_core_[core] : 0;
  }
  /// Of the core that the caller runs on, at present.
  [[nodiscard]] std::uint32_t group_here() const noexcept;

  /// While it lives, pools that start take this for the machine's.
  class override_for_test {
   public:
    explicit override_for_test(const topology& instead) noexcept;
    ~override_for_test();
    override_for_test(const override_for_test&) = delete;
    override_for_test& operator=(const override_for_test&) = delete;
  };

 private:
  std::vector<std::uint32_t> group_of_core_;
};

/// What Linux says of the caches, in the folders below `root`; empty where it says nothing.
[[nodiscard]] std::vector<std::uint32_t> groups_by_cache(const std::string& root);

/// What the operating system says of this machine's.
[[nodiscard]] std::vector<std::uint32_t> groups_by_cache();
/// The number of the core that the caller runs on.
[[nodiscard]] std::size_t current_core() noexcept;

}  // namespace weft::detail
