#include "tests/support/task_fixture.hpp"

#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include <weft/task/cancellation.hpp>
#include <weft/task/stop_token.hpp>
#include <weft/task/task.hpp>
#include <weft/task/task_local.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;

class task_locals : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(task_locals);

task_local<std::string> request{"none"};
task_local<int> depth{0};

TEST_P(task_locals, are_seen_by_the_task_and_inherited_by_children_of_both_kinds) {
  run([] {
    EXPECT_EQ(request.get(), "none");
    task_local<std::string>::binding bound{request, "GET /"};
    EXPECT_EQ(request.get(), "GET /");
    scope children;
    children.spawn([] {
      EXPECT_EQ(request.get(), "GET /");
      task_local<int>::binding deeper{depth, depth.get() + 1};
      spawn([]() -> task<> {
        co_await async_yield();
        EXPECT_EQ(request.get(), "GET /");
        EXPECT_EQ(depth.get(), 1);
      }).join();
    });
    children.spawn([]() -> task<> {
      EXPECT_EQ(request.get(), "GET /");
      task_local<std::string>::binding other{request, "POST /"};
      co_await async_yield();
      EXPECT_EQ(request.get(), "POST /");
    });
    children.join();
    EXPECT_EQ(request.get(), "GET /");
    EXPECT_EQ(depth.get(), 0);
  });
}

TEST_P(task_locals, outlive_their_binding_in_those_who_inherited_them) {
  run([] {
    static task_local<std::shared_ptr<int>> shared;
    std::weak_ptr<int> watched;
    join_handle<int> late;
    {
      auto value = std::make_shared<int>(7);
      watched = value;
      task_local<std::shared_ptr<int>>::binding bound{shared, std::move(value)};
      late = spawn([] {
        EXPECT_TRUE(sleep(1h));
        return *shared.get();
      });
    }
    EXPECT_EQ(shared.get(), nullptr);
    EXPECT_FALSE(watched.expired());
    EXPECT_EQ(late.join(), 7);
    EXPECT_TRUE(watched.expired()) << "it went with the task";
  });
}

TEST_P(task_locals, of_two_tasks_are_apart) {
  run([] {
    scope all;
    for (int i = 0; i < 100; ++i) {
      all.spawn([i] {
        task_local<int>::binding mine{depth, i};
        for (int round = 0; round < 3; ++round) {
          yield();
          EXPECT_EQ(depth.get(), i);
        }
      });
    }
  });
}

TEST(task_locals_of_os_threads, are_their_own) {
  task_local<int>::binding bound{depth, 1};
  std::thread{[] { EXPECT_EQ(depth.get(), 0); }}.join();
  EXPECT_EQ(depth.get(), 1);
}

class stop_tokens : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(stop_tokens);

TEST_P(stop_tokens, of_a_task_are_stopped_when_it_is_cancelled) {
  run([] {
    std::stop_token before, after;
    bool called = false;
    auto waiting = spawn([&] {
      before = this_task_stop_token();
      std::stop_callback callback{before, [&] { called = true; }};
      auto outcome = sleep(1h);
      after = this_task_stop_token();
      return outcome;
    });
    run_until_parked(waiting);
    EXPECT_FALSE(before.stop_requested());
    waiting.cancel();
    EXPECT_TRUE(called) << "on the thread that cancels";
    EXPECT_EQ(waiting.join().error(), errc::cancelled);
    EXPECT_TRUE(after.stop_requested());
  });
}

TEST_P(stop_tokens, that_are_asked_for_after_the_cancel_are_stopped_already) {
  run([] {
    auto task = spawn([] {
      while (!cancelled()) yield();
      return this_task_stop_token().stop_requested();
    });
    task.cancel();
    EXPECT_TRUE(task.join());
  });
}

TEST_P(stop_tokens, of_children_are_stopped_with_their_scope_outside_of_its_lock) {
  run([] {
    scope children;
    std::size_t seen = 0;
    children.spawn([&] {
      std::stop_callback callback{this_task_stop_token(), [&] { seen = children.size(); }};
      EXPECT_EQ(sleep(1h).error(), errc::cancelled);
    });
    EXPECT_TRUE(sleep(1s));
    children.cancel();
    EXPECT_EQ(seen, 1u);
    children.join();
  });
}

}  // namespace
}  // namespace weft
