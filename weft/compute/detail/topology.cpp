#include "weft/compute/detail/topology.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string_view>
#include <system_error>

namespace weft::detail {
namespace {

constinit std::atomic<const topology*> instead_of_machine{nullptr};

[[nodiscard]] topology read_machine() noexcept {
  try {
    return topology{groups_by_cache()};
  } catch (const std::exception&) {
    return topology{{}};
  }
}

[[nodiscard]] std::string first_word(const std::filesystem::path& path) {
  std::ifstream file{path};
  std::string word;
  file >> word;
  return word;
}

/// The cores that share the last-level cache of the one that `folder` describes, as the kernel lists them.
[[nodiscard]] std::string sharing_last_cache(const std::filesystem::path& folder) {
  std::string highest, cores;
  for (int index = 0;; ++index) {
    auto cache = folder / ("index" + std::to_string(index));
    auto level = first_word(cache / "level");
    if (level.empty()) return cores;
    if (level < highest) continue;
    highest = level;
    cores = first_word(cache / "shared_cpu_list");
  }
}

}  // namespace

const topology& topology::of_this_machine() noexcept {
  // acquire: the one that stands in is made; pairs with its constructor
  if (const auto* instead = instead_of_machine.load(std::memory_order_acquire)) return *instead;
  static const auto& machine = *new topology{read_machine()};  // never destroyed: carriers may run until the very end
  return machine;
}

bool topology::has_groups() const noexcept {
  return std::ranges::adjacent_find(group_of_core_, std::ranges::not_equal_to{}) != group_of_core_.end();
}

std::uint32_t topology::group_here() const noexcept { return group_of(current_core()); }

topology::override_for_test::override_for_test(const topology& instead) noexcept {
  // release: it is made; pairs with of_this_machine()
  instead_of_machine.store(&instead, std::memory_order_release);
}

topology::override_for_test::~override_for_test() {
  // relaxed: whoever looks finds the machine's
  instead_of_machine.store(nullptr, std::memory_order_relaxed);
}

std::vector<std::uint32_t> groups_by_cache(const std::string& root) {
  std::vector<std::uint32_t> groups;
  std::map<std::string, std::uint32_t> numbers;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator{root, failed}) {
    auto name = entry.path().filename().string();
    std::string_view digits{name};
    if (!digits.starts_with("cpu")) continue;
    digits.remove_prefix(3);
    std::size_t core = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), core);
    if (error != std::errc{} || end != digits.data() + digits.size()) continue;
    auto cores = sharing_last_cache(entry.path() / "cache");
    if (cores.empty()) continue;
    if (core >= groups.size()) groups.resize(core + 1);
    groups[core] = numbers.try_emplace(cores, static_cast<std::uint32_t>(numbers.size())).first->second;
  }
  return groups;
}

}  // namespace weft::detail
