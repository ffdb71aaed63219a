#include "task/cpu_quota.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <weft/sched/scheduler.hpp>
#include <weft/task/compute_pool.hpp>

namespace weft {
namespace {

using detail::cores_of_cgroup, detail::cores_of_quota;

TEST(cpu_quota, is_rounded_up_to_whole_cores) {
  EXPECT_EQ(cores_of_quota("100000", "100000"), 1u);
  EXPECT_EQ(cores_of_quota("150000", "100000"), 2u);
  EXPECT_EQ(cores_of_quota("1", "100000"), 1u);
  EXPECT_EQ(cores_of_quota("400000", "100000"), 4u);
}

TEST(cpu_quota, is_none_where_there_is_none) {
  EXPECT_EQ(cores_of_quota("max", "100000"), std::nullopt);
  EXPECT_EQ(cores_of_quota("-1", "100000"), std::nullopt);
  EXPECT_EQ(cores_of_quota("", ""), std::nullopt);
  EXPECT_EQ(cores_of_quota("100000", "0"), std::nullopt);
}

TEST(cpu_quota, the_least_of_the_groups_around_holds) {
  auto mount = std::filesystem::path{::testing::TempDir()} / "cpu_quota_test";
  auto write = [&](const std::string& group, const std::string& text) {
    std::filesystem::create_directories(mount / group);
    std::ofstream{mount / group / "cpu.max"} << text << '\n';
  };
  write("a", "300000 100000");
  write("a/b", "max 100000");
  write("a/b/c", "500000 100000");
  EXPECT_EQ(cores_of_cgroup(mount.string(), "/a/b/c"), 3u);
  EXPECT_EQ(cores_of_cgroup(mount.string(), "/a"), 3u);
  EXPECT_EQ(cores_of_cgroup(mount.string(), "/none"), std::nullopt);
  EXPECT_EQ(cores_of_cgroup(mount.string(), "/"), std::nullopt);
  std::filesystem::remove_all(mount);
}

TEST(available_parallelism, is_at_least_one_and_at_most_the_affinity_mask) {
  EXPECT_GE(available_parallelism(), 1u);
  EXPECT_LE(available_parallelism(), sched::available_cores());
}

}  // namespace
}  // namespace weft
