// Waits at the very end of an OS thread, and of the process: in the destructors of thread_local and static objects that
// were made before the thread first waited, so that they are destroyed after all that weft made for it then.

#include <gtest/gtest.h>

#include <pthread.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <thread>

#include <weft/parallel/parallel_for.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/stop_token.hpp>
#include <weft/task/task_local.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;

/// Calls something when it is destroyed.
struct last_words {
  ~last_words() {
    if (say) say();
  }
  std::function<void()> say;
};

thread_local last_words of_thread;

/// Another thread answers through a channel without room: both sides park.
void wait_for_an_answer() {
  channel<int> questions{0u}, answers{0u};
  std::thread other{[&] {
    while (auto question = questions.recv()) static_cast<void>(answers.send(*question + 1));
  }};
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(questions.send(i));
    auto answer = answers.recv();
    EXPECT_TRUE(answer);
    if (answer) EXPECT_EQ(*answer, i + 1);
  }
  questions.close();
  other.join();
  EXPECT_TRUE(sleep(1ms));
  mutex contended;
  std::thread holder{[&] {
    std::lock_guard guard{contended};
    EXPECT_TRUE(sleep(1ms));
  }};
  for (int i = 0; i < 10; ++i) std::lock_guard guard{contended};
  holder.join();
  deadline_scope soon{1ms};
  event never;
  EXPECT_EQ(never.wait().error(), errc::timed_out);
  EXPECT_EQ(never.wait().error().message(), "the deadline passed");
}

TEST(the_end_of_a_thread, in_the_destructor_of_a_thread_local_that_is_older_may_wait) {
  std::atomic<int> said{0};
  for (int i = 0; i < 20; ++i) {
    std::thread{[&] {
      of_thread.say = [&] {
        wait_for_an_answer();
        ++said;
      };
      EXPECT_TRUE(sleep(1us));  // here the thread becomes known
    }}.join();
  }
  EXPECT_EQ(said, 20);
}

TEST(the_end_of_a_thread, of_which_weft_knew_nothing_before_may_wait) {
  bool said = false;
  std::thread{[&] {
    of_thread.say = [&] {
      wait_for_an_answer();
      said = true;
    };
  }}.join();
  EXPECT_TRUE(said);
}

TEST(the_end_of_a_thread, in_the_destructor_of_a_pthread_key_may_wait) {
  static std::atomic<int> said;
  said = 0;
  std::array<pthread_key_t, 3> keys{};
  for (auto& key : keys) {
    ASSERT_EQ(::pthread_key_create(&key,
                                   [](void*) {
                                     wait_for_an_answer();
                                     ++said;
                                   }),
              0);
  }
  std::thread{[&] {
    ::pthread_setspecific(keys[0], &keys);
    EXPECT_TRUE(sleep(1us));
    ::pthread_setspecific(keys[1], &keys);
    of_thread.say = [&] { ::pthread_setspecific(keys[2], &keys); };
  }}.join();
  EXPECT_EQ(said, 3);
  for (auto& key : keys) ::pthread_key_delete(key);
}

TEST(the_end_of_a_thread, that_is_detached_may_wait) {
  event ended;
  std::thread{[&] {
    of_thread.say = [&] {
      wait_for_an_answer();
      ended.set();
    };
    EXPECT_TRUE(sleep(1us));
  }}.detach();
  EXPECT_TRUE(ended.wait());
}

TEST(the_end_of_a_thread, may_compute) {
  std::atomic<int> sum{0};
  std::thread{[&] {
    of_thread.say = [&] { parallel_for(0, 100, [&](int i) { sum += i; }); };
    parallel_for(0, 100, [&](int i) { sum += i; });
  }}.join();
  EXPECT_EQ(sum, 9900);
}

// Such a thread is listed with the tasks, also where it has asked for its stop token before it first waited. Its entry
// must not outlive it.
TEST(the_end_of_a_thread, that_waits_is_seen_in_dumps_and_leaves_nothing_there) {
  runtime home{{.seats = 1, .tracking = {.tasks = tracking::on}}};
  event go;
  std::atomic<bool> stopped{false};
  std::thread late{[&] {
    of_thread.say = [&] {
      std::stop_callback told{this_task_stop_token(), [&] { stopped = true; }};
      EXPECT_TRUE(go.wait());
    };
    static_cast<void>(this_task_stop_token());
  }};
  auto listed = [&] {
    std::size_t found = 0;
    for (const auto& task : home.tasks()) found += task.kind == "OS thread" && task.waits ? 1u : 0u;
    return found;
  };
  while (listed() == 0) std::this_thread::yield();
  go.set();
  late.join();
  EXPECT_EQ(listed(), 0u);
  EXPECT_FALSE(stopped);
}

/// In a process of its own, that ends by exit().
void expect_good_end(void (*begin)()) {
  EXPECT_EXIT(
      {
        begin();
        std::exit(7);
      },
      ::testing::ExitedWithCode(7), "said at the end");
}

void say_at_the_end() {
  wait_for_an_answer();
  std::fputs("said at the end\n", stderr);
}

TEST(the_end_of_the_process, in_the_destructor_of_a_static_object_may_wait) {
  expect_good_end([] {
    static last_words of_process;
    of_process.say = say_at_the_end;
    EXPECT_TRUE(sleep(1us));
  });
}

TEST(the_end_of_the_process, in_a_handler_may_wait_and_run_tasks) {
  expect_good_end([] {
    std::atexit([] {
      say_at_the_end();
      runtime home{{.seats = 2}};
      run_in(home, {}, [] { spawn([] { wait_for_an_answer(); }).join(); });
    });
    EXPECT_TRUE(sleep(1us));
    of_thread.say = wait_for_an_answer;
  });
}

TEST(the_end_of_the_process, by_a_thread_that_is_not_the_main_one_may_wait) {
  expect_good_end([] {
    static last_words of_process;
    of_process.say = say_at_the_end;
    std::thread{[] {
      of_thread.say = wait_for_an_answer;
      EXPECT_TRUE(sleep(1us));
      std::exit(7);
    }}.join();
  });
}

}  // namespace
}  // namespace weft
