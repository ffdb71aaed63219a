#include <dirent.h>
#include <sys/syscall.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <weft/runtime/runtime.hpp>
#include <weft/stack/detail/instrumentation.hpp>
#include <weft/sync/event.hpp>

#include "tests/support/io_fixture.hpp"

// That an idle program uses no CPU is not measured here but seen: each of weft's OS threads sleeps in the kernel, in a
// wait that no time ends. bench/io/idle_bench.cpp measures it.

namespace weft {
namespace {

using namespace testing;

std::string line_of(const std::string& file) {
  std::ifstream in{file};
  std::string line;
  std::getline(in, line);
  return line;
}

/// The numbers of this process's threads that weft has named.
std::vector<std::string> threads_of_weft() {
  std::vector<std::string> found;
  std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> folder{::opendir("/proc/self/task")};
  while (auto* entry = ::readdir(folder.get())) {
    std::string number = entry->d_name;
    if (line_of("/proc/self/task/" + number + "/comm").starts_with("weft-")) found.push_back(number);
  }
  return found;
}

/// Whether a thread of this process waits in the kernel without an end to it; empty: the system does not say.
std::optional<bool> waits_for_ever(const std::string& thread) {
  auto line = line_of("/proc/self/task/" + thread + "/syscall");
  if (line.empty()) return std::nullopt;
  long number = -1;
  std::array<unsigned long, 6> arguments{};
  auto* a = arguments.data();
  if (std::sscanf(line.c_str(), "%ld %lx %lx %lx %lx %lx %lx", &number, a, a + 1, a + 2, a + 3, a + 4, a + 5) != 7) {
    return false;  // it runs
  }
  switch (number) {
    case SYS_futex:
    case SYS_epoll_pwait2: return arguments[3] == 0;  // no timeout
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait: return static_cast<int>(arguments[3]) == -1;
    case SYS_io_uring_enter: return (arguments[3] & 8) == 0;  // IORING_ENTER_EXT_ARG, which brings the timeout
    default: return false;
  }
}

class idle : public ::testing::TestWithParam<reactor_kind> {};
INSTANTIATE_TEST_SUITE_P(on, idle, ::testing::Values(reactor_kind::epoll, reactor_kind::io_uring),
                         [](const auto& each) { return name_of({each.param, 1}).substr(0, 5); });

TEST_P(idle, a_program_with_100000_parked_tasks_sleeps_without_an_end) {
  if (GetParam() == reactor_kind::io_uring && !io::make_io_uring_reactor()) {
    GTEST_SKIP() << "this kernel refuses io_uring";
  }
  constexpr int tasks = stack::instrumented ? 1'000 : 100'000;  // a sanitizer has room for fewer
  event let_go;
  runtime home{{.seats = 2,
                .make_driver = [](std::size_t) -> std::unique_ptr<sched::driver> {
                  if (GetParam() == reactor_kind::io_uring) return io::make_io_uring_reactor().value();
                  return io::make_epoll_reactor().value();
                },
                .hibernate_after = no_hibernation}};  // which would first have to do its work
  int virtual_threads = 0;
  run_in(home, {}, [&] {
    try {
      for (; virtual_threads < tasks; ++virtual_threads) spawn([&] { return let_go.wait(); }).detach();
    } catch (const std::system_error&) {
      // A kernel that needs a mapping for each guard: as many as there may be.
    }
    for (int i = 0; i < tasks; ++i) {
      spawn([&]() -> task<> { static_cast<void>(co_await let_go.async_wait()); }).detach();
    }
    blocking([] {});  // leaves a thread that waits for the next call
  });
  EXPECT_GE(virtual_threads, tasks / 10);

  for (bool all_sleep = false; !all_sleep;) {
    std::this_thread::yield();
    auto threads = threads_of_weft();
    ASSERT_GE(threads.size(), 3u);  // two seats and the watchdog
    all_sleep = true;
    for (const auto& each : threads) {
      auto sleeps = waits_for_ever(each);
      if (!sleeps) GTEST_SKIP() << "/proc/self/task/" << each << "/syscall says nothing";
      all_sleep = all_sleep && *sleeps;
    }
  }
  let_go.set();
  home.shut_down();
  EXPECT_EQ(home.stacks().stats().in_use, 0u);
}

}  // namespace
}  // namespace weft
