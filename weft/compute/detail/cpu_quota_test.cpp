#include "weft/compute/detail/cpu_quota.hpp"
#include <weft/compute/available_parallelism.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <weft/compute/detail/compute_pool.hpp>
#include <weft/sched/detail/scheduler.hpp>

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
  auto mount = std::filesystem::path{::testing::TempDir()} / ("weft_cpu_quota_test." + std::to_string(::getpid()));
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

/// Files as the kernel's, below a folder of its own.
class machine {
 public:
  machine() { std::filesystem::create_directories(root_); }
  ~machine() { std::filesystem::remove_all(root_); }
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;

  void write(const std::string& file, const std::string& text) {
    auto path = root_ / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream{path} << text << '\n';
  }
  [[nodiscard]] std::string path(const std::string& file) const { return (root_ / file).string(); }
  [[nodiscard]] std::optional<std::size_t> cores() const {
    return detail::cores_of_process(path("cgroup"), path("mountinfo"));
  }

 private:
  std::filesystem::path root_ =
      std::filesystem::path{::testing::TempDir()} /
      ("cpu_quota_" + std::to_string(std::filesystem::file_time_type::clock::now().time_since_epoch().count()));
};

TEST(cpu_quota, of_a_group_below_another_is_seen_in_version_1) {
  machine made;
  made.write("cgroup", "12:pids:/a/b\n4:cpu,cpuacct:/a/b\n1:name=systemd:/a\n0::/");
  made.write("mountinfo", "25 20 0:22 / /sys rw - sysfs sysfs rw\n29 23 0:26 / " + made.path("pids") +
                              " rw,nosuid shared:9 - cgroup cgroup rw,pids\n30 23 0:27 / " + made.path("cpu,cpuacct") +
                              " rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct");
  EXPECT_EQ(made.cores(), std::nullopt);
  made.write("cpu,cpuacct/cpu.cfs_quota_us", "-1");
  made.write("cpu,cpuacct/cpu.cfs_period_us", "100000");
  made.write("cpu,cpuacct/a/b/cpu.cfs_quota_us", "250000");
  made.write("cpu,cpuacct/a/b/cpu.cfs_period_us", "100000");
  EXPECT_EQ(made.cores(), 3u);
  made.write("cpu,cpuacct/a/cpu.cfs_quota_us", "50000");
  made.write("cpu,cpuacct/a/cpu.cfs_period_us", "50000");
  EXPECT_EQ(made.cores(), 1u) << "that of the group around holds as well";
  made.write("pids/a/b/cpu.max", "1 100000");
  made.write("cpu,cpuacct/a/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(made.cores(), 3u) << "what is mounted elsewhere is no quota of CPU time";
}

TEST(cpu_quota, of_a_group_in_a_container_is_seen_where_its_directory_is_mounted) {
  machine made;
  made.write("cgroup", "4:cpuacct,cpu:/docker/1234/worker");
  made.write("mountinfo", "30 23 0:27 /docker/1234 " + made.path("cpu") + " ro,nosuid - cgroup cgroup rw,cpuacct,cpu");
  made.write("cpu/cpu.cfs_quota_us", "400000");
  made.write("cpu/cpu.cfs_period_us", "100000");
  EXPECT_EQ(made.cores(), 4u);
  made.write("cpu/worker/cpu.cfs_quota_us", "200000");
  made.write("cpu/worker/cpu.cfs_period_us", "100000");
  EXPECT_EQ(made.cores(), 2u);
}

TEST(cpu_quota, of_version_2_is_seen_beside_version_1) {
  machine made;
  made.write("cgroup", "3:memory:/x\n0::/a/b");
  made.write("mountinfo", "29 23 0:26 / " + made.path("memory") + " rw - cgroup cgroup rw,memory\n31 23 0:28 / " +
                              made.path("unified") + " rw shared:11 - cgroup2 cgroup2 rw,nsdelegate");
  made.write("unified/a/cpu.max", "150000 100000");
  made.write("unified/a/b/cpu.max", "max 100000");
  EXPECT_EQ(made.cores(), 2u);
}

TEST(available_parallelism, is_at_least_one_and_at_most_the_affinity_mask) {
  EXPECT_GE(available_parallelism(), 1u);
  EXPECT_LE(available_parallelism(), sched::available_cores());
}

}  // namespace
}  // namespace weft
