#include "weft/compute/detail/topology.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <weft/compute/fork_join.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/task/spawn.hpp>

namespace weft {
namespace {

using detail::groups_by_cache, detail::topology;

/// A folder as /sys/devices/system/cpu is.
class described_cores {
 public:
  described_cores() { std::filesystem::create_directories(root_); }
  ~described_cores() { std::filesystem::remove_all(root_); }
  void add(int core, int index, const std::string& level, const std::string& shared) const {
    auto folder = root_ / ("cpu" + std::to_string(core)) / "cache" / ("index" + std::to_string(index));
    std::filesystem::create_directories(folder);
    std::ofstream{folder / "level"} << level << '\n';
    std::ofstream{folder / "shared_cpu_list"} << shared << '\n';
  }
  void add_folder(const std::string& name) const { std::filesystem::create_directories(root_ / name); }
  [[nodiscard]] topology read() const { return topology{groups_by_cache(root_.string())}; }

 private:
  // Tests run beside one another, each in a process of its own.
  std::filesystem::path root_ =
      std::filesystem::path{::testing::TempDir()} / ("weft_topology_test." + std::to_string(::getpid()));
};

TEST(topologies, cores_that_share_their_last_level_cache_are_a_group) {
  described_cores machine;
  for (int core = 0; core < 4; ++core) {
    machine.add(core, 0, "1", std::to_string(core));
    machine.add(core, 1, "2", std::to_string(core));
    machine.add(core, 2, "3", core < 2 ? "0-1" : "2-3");
  }
  machine.add_folder("cpufreq");
  machine.add_folder("cpuidle");
  auto read = machine.read();
  EXPECT_TRUE(read.has_groups());
  EXPECT_EQ(read.group_of(0), read.group_of(1));
  EXPECT_EQ(read.group_of(2), read.group_of(3));
  EXPECT_NE(read.group_of(0), read.group_of(2));
  EXPECT_EQ(read.group_of(1000), 0u);
}

TEST(topologies, one_cache_for_all_is_no_groups_and_so_is_a_machine_that_says_nothing) {
  described_cores machine;
  EXPECT_FALSE(machine.read().has_groups());
  machine.add_folder("cpu0");
  EXPECT_FALSE(machine.read().has_groups());
  machine.add(0, 0, "3", "0,2");
  machine.add(2, 0, "3", "0,2");
  machine.add(1, 0, "3", "0,2");
  EXPECT_FALSE(machine.read().has_groups());
  EXPECT_FALSE(topology{groups_by_cache("/no/such/folder")}.has_groups());
}

parallel_task<> wait_for_all(std::atomic<int>* inside) {
  ++*inside;
  while (*inside < 4) std::this_thread::yield();
  co_return;
}

/// Each of the four occupies a carrier until all are there: three have been stolen.
parallel_task<> meet(std::atomic<int>* inside) {
  for (int i = 0; i < 3; ++i) co_await fork(wait_for_all, inside);
  co_await call(wait_for_all, inside);
  co_await join();
}

TEST(topologies, carriers_on_cores_of_several_groups_steal_from_all) {
  std::vector<std::uint32_t> groups(64);
  for (std::size_t core = 0; core < groups.size(); ++core) groups[core] = static_cast<std::uint32_t>(core);
  const topology apart{groups};
  topology::override_for_test here{apart};
  runtime home{{.seats = 1, .compute_carriers = 4}};
  run_in(home, {}, [] {
    for (int round = 0; round < 20; ++round) {
      std::atomic<int> inside{0};
      fork_join(meet, &inside);
      EXPECT_EQ(inside.load(), 4);
    }
  });
  EXPECT_GE(home.computing().stolen, 60u);
}

}  // namespace
}  // namespace weft
