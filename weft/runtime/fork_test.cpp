#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <string>
#include <thread>

#include <weft/runtime/runtime.hpp>
#include <weft/sync/event.hpp>

#include "tests/support/io_fixture.hpp"

// A child of fork() has one thread, the one that called it. What it may do with weft.

namespace weft {
namespace {

using namespace testing;

struct child_end {
  int status = 0;
  std::string said;  // on standard error
  [[nodiscard]] bool exited_with(int code) const { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
  [[nodiscard]] bool aborted() const { return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT; }
};

/// A child of fork(), for either of the two processes that come of it.
class child_process {
 public:
  child_process() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    child_ = ::fork();
    reads_ = ends[0];
    if (is_here()) {
      ::dup2(ends[1], STDERR_FILENO);
      const rlimit no_core{0, 0};
      ::setrlimit(RLIMIT_CORE, &no_core);
    }
    ::close(ends[1]);
  }
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  [[nodiscard]] bool is_here() const { return child_ == 0; }

  /// The parent: waits for the child's end on the calling OS thread.
  [[nodiscard]] child_end wait() const {
    child_end end;
    std::array<char, 4096> text;
    for (ssize_t got = 0; (got = ::read(reads_, text.data(), text.size())) > 0;) {
      end.said.append(text.data(), static_cast<std::size_t>(got));
    }
    ::close(reads_);
    EXPECT_EQ(::waitpid(child_, &end.status, 0), child_);
    return end;
  }

 private:
  pid_t child_ = -1;
  int reads_ = -1;
};

/// Calls `f` in a child of fork(), which then exits with 0, and waits for its end on the calling OS thread.
child_end in_a_child(const std::function<void()>& f) {
  child_process child;
  if (child.is_here()) {
    f();
    ::_exit(0);
  }
  return child.wait();
}

void expect_refusal(const child_end& end) {
  EXPECT_TRUE(end.aborted()) << end.status;
  EXPECT_NE(end.said.find("fork()"), std::string::npos) << end.said;
  EXPECT_NE(end.said.find("exec() or _exit()"), std::string::npos) << end.said;
}

class a_child_of_a_task : public ::testing::TestWithParam<io_setting> {
 protected:
  template <class F>
  void run(F f) {
    auto setting = GetParam();
    if (setting.reactor == reactor_kind::io_uring && !io::make_io_uring_reactor()) {
      GTEST_SKIP() << "this kernel refuses io_uring";
    }
    weft::run({.seats = setting.seats, .reactor = setting.reactor}, std::move(f));
  }
};
WEFT_ON_EVERY_REACTOR(a_child_of_a_task);

TEST_P(a_child_of_a_task, may_exec_or_exit_and_the_parent_goes_on) {
  run([] {
    EXPECT_TRUE(in_a_child([] { ::_exit(7); }).exited_with(7));
    EXPECT_TRUE(in_a_child([] { ::execl("/bin/sh", "sh", "-c", "exit 5", nullptr); }).exited_with(5));
    spawn([]() -> task<> {
      EXPECT_TRUE(in_a_child([] { ::_exit(8); }).exited_with(8));
      co_await async_yield();
    }).join();
    EXPECT_TRUE(sleep(std::chrono::microseconds{1}));
    auto ends = connected_pair();
    ASSERT_TRUE(ends.client.send_all(bytes_of("alive")));
    EXPECT_EQ(recv_text(ends.server, 5), "alive");
  });
}

TEST_P(a_child_of_a_task, is_told_when_it_waits) {
  run([] {
    event never;
    expect_refusal(in_a_child([&] { static_cast<void>(never.wait()); }));
    expect_refusal(in_a_child([] { static_cast<void>(sleep(std::chrono::hours{1})); }));
    expect_refusal(in_a_child([] { yield(); }));
    expect_refusal(in_a_child([] { blocking([] {}); }));
  });
}

TEST_P(a_child_of_a_task, is_told_when_it_spawns) {
  run([] {
    expect_refusal(in_a_child([] { spawn([] {}).detach(); }));
    expect_refusal(in_a_child([] {
      scope tasks;
      tasks.spawn([]() -> task<> { co_return; });
    }));
  });
}

TEST_P(a_child_of_a_task, is_told_when_it_is_a_coroutine_that_waits) {
  run([] {
    spawn([]() -> task<> {
      child_process child;
      if (child.is_here()) {
        static_cast<void>(co_await async_sleep(std::chrono::hours{1}));
        ::_exit(0);
      }
      expect_refusal(child.wait());
    }).join();
  });
}

TEST_P(a_child_of_a_task, is_told_when_it_starts_another_runtime) {
  run([] {
    expect_refusal(blocking([] { return in_a_child([] { weft::run([] {}); }); }));
    expect_refusal(blocking([] { return in_a_child([] { static_cast<void>(sleep(std::chrono::hours{1})); }); }));
  });
}

TEST(a_child_of_an_os_thread, may_run_what_it_likes_when_no_runtime_ran) {
  auto run_something = [] {
    if (weft::run({.seats = 2}, [] { return spawn([] { return 3; }).join(); }) != 3) ::_exit(1);
  };
  EXPECT_TRUE(in_a_child(run_something).exited_with(0));
  weft::run([] {});
  EXPECT_TRUE(in_a_child(run_something).exited_with(0)) << "a runtime that has ended is no hindrance";
  run_something();
}

}  // namespace
}  // namespace weft
