#include "memory_limit.hpp"

#include <fstream>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/support/folder.hpp"

namespace {

constexpr std::uint64_t machine = std::uint64_t{16} << 30;

class memory_limit : public testing::Test {
 protected:
  void write(const std::filesystem::path& path, std::string_view text) const {
    const auto file = root.path() / path.relative_path();
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  void mount_version_2(std::string_view top = "/") const {
    write("/proc/self/mountinfo", "22 1 0:20 / /proc rw - proc proc rw\n30 23 0:26 " + std::string(top) +
                                      " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }

  void mount_version_1(std::string_view top = "/") const {
    write("/proc/self/mountinfo",
          "33 32 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
          "36 32 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n35 32 0:31 " +
              std::string(top) + " /sys/fs/cgroup/memory rw,relatime shared:16 - cgroup cgroup rw,memory\n");
  }

  [[nodiscard]] std::uint64_t limit() const { return gallery::memory_limit(root.path(), machine); }

  temporary_folder root;
};

TEST_F(memory_limit, is_the_machines_where_nothing_says_less) {
  EXPECT_EQ(limit(), machine);
  write("/proc/self/cgroup", "0::/user.slice\n");
  mount_version_2();
  EXPECT_EQ(limit(), machine);
  write("/sys/fs/cgroup/user.slice/memory.max", "max\n");
  EXPECT_EQ(limit(), machine);
  write("/sys/fs/cgroup/user.slice/memory.max", "rubbish\n");
  EXPECT_EQ(limit(), machine);
  write("/sys/fs/cgroup/user.slice/memory.max", "99999999999999\n");
  EXPECT_EQ(limit(), machine);
}

TEST_F(memory_limit, is_the_least_of_all_groups_around) {
  write("/proc/self/cgroup", "0::/a/b/c\n");
  mount_version_2();
  write("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
  write("/sys/fs/cgroup/a/b/memory.max", "536870912\n");
  write("/sys/fs/cgroup/a/memory.max", "1073741824\n");
  EXPECT_EQ(limit(), 536'870'912u);
}

TEST_F(memory_limit, is_that_of_the_mounted_group_in_a_container) {
  for (const char* group : {"0::/\n", "0::/../../outside\n", "0::/docker/elsewhere\n"}) {
    write("/proc/self/cgroup", group);
    mount_version_2(std::string_view(group) == "0::/docker/elsewhere\n" ? "/docker/0123" : "/");
    write("/sys/fs/cgroup/memory.max", "268435456\n");
    EXPECT_EQ(limit(), 268'435'456u) << group;
  }
}

TEST_F(memory_limit, is_known_from_groups_of_version_1) {
  write("/proc/self/cgroup", "4:memory:/docker/0123/inner\n3:cpu,cpuacct:/\n0::/\n");
  mount_version_1();
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("/sys/fs/cgroup/memory/docker/0123/memory.limit_in_bytes", "300000000\n");
  EXPECT_EQ(limit(), 300'000'000u);
  mount_version_1("/docker/0123");
  write("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "200000000\n");
  EXPECT_EQ(limit(), 200'000'000u);
}

TEST_F(memory_limit, of_this_machine_is_some) { EXPECT_GT(gallery::memory_limit(), std::uint64_t{1} << 20); }

}  // namespace
