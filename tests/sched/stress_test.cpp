#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <weft/base/intrusive_list.hpp>
#include <weft/base/random.hpp>
#include <weft/base/spin_lock.hpp>
#include <weft/parallel/compute.hpp>
#include <weft/sched/runnable.hpp>
#include <weft/task/offload.hpp>
#include <weft/task/runtime.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

// Tasks of both kinds that do at random whatever a task can do to the scheduler, with OS threads among them, in real
// time. Each round is a runtime of its own and a seed, which is printed before the round begins, so that it is known
// also of a round that hangs. WEFT_TEST_SEED runs one round again; WEFT_STRESS_SECONDS says for how long there are new
// ones, 2 without it.
//
// What holds whatever happens: everything ends, no token is lost or taken twice, a task's own variables belong to it
// alone (ThreadSanitizer watches them, and the count of its steps is right in the end), each wait ends for a reason
// that it may end for, and no stack is left in use.

namespace weft::sched {
namespace {

/// Tokens that anybody leaves and tasks pick up, made of nothing but the scheduler's own way to wait.
class mailbox {
 public:
  class pick_up_operation;

  /// Leaves a token; unparks whoever has waited longest for one. Any thread.
  void leave() noexcept {
    wait_node* woken = nullptr;
    {
      std::lock_guard guard{lock_};
      while ((woken = waiters_.pop_front()) && !woken->claim()) {}
      if (!woken) ++tokens_;
    }
    if (woken) woken->notify();
  }

  [[nodiscard]] pick_up_operation async_pick_up() noexcept;

  [[nodiscard]] long tokens() const noexcept {
    std::lock_guard guard{lock_};
    return tokens_;
  }

 private:
  mutable base::spin_lock lock_;  // guards all below
  long tokens_ = 0;
  base::intrusive_list<wait_node> waiters_;
};

class mailbox::pick_up_operation {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::lock;
  explicit pick_up_operation(mailbox& from) noexcept : from_{&from} {}

  bool try_complete() noexcept {
    std::lock_guard guard{from_->lock_};
    if (from_->tokens_ == 0) return false;
    --from_->tokens_;
    return true;
  }
  bool arm(wait_node& node) noexcept {
    std::lock_guard guard{from_->lock_};
    if (from_->tokens_ == 0) {
      from_->waiters_.push_back(node);
      return false;
    }
    if (!node.claim()) return false;
    --from_->tokens_;
    return true;
  }
  void disarm(wait_node& node) noexcept {
    std::lock_guard guard{from_->lock_};
    if (node.is_linked()) base::intrusive_list<wait_node>::remove(node);
  }
  static bool finish() noexcept { return true; }
  static value_type take() { return {}; }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  mailbox* from_;
};

mailbox::pick_up_operation mailbox::async_pick_up() noexcept { return pick_up_operation{*this}; }

/// What the tasks of one round share.
struct world {
  std::array<mailbox, 6> mailboxes;
  std::atomic<long> tokens_left{0}, tokens_picked_up{0};
  std::atomic<long> steps_begun{0}, steps_ended{0};

  mailbox& any_mailbox(base::random& random) { return mailboxes[random.below(mailboxes.size())]; }
  void leave_token(mailbox& where) {
    ++tokens_left;
    where.leave();
  }
  /// `outcome` is what a wait for a token came to.
  void count(const result<void>& outcome) {
    if (outcome) {
      ++tokens_picked_up;
    } else {
      EXPECT_TRUE(outcome.error() == errc::timed_out || outcome.error() == errc::cancelled) << outcome.error();
    }
  }
  [[nodiscard]] long tokens_in_mailboxes() const {
    long sum = 0;
    for (const auto& each : mailboxes) sum += each.tokens();
    return sum;
  }
};

duration up_to(base::random& random, duration longest) {
  return duration{random.below(static_cast<std::uint32_t>(longest.count()))};
}

std::uint64_t calculate(base::random random, int rounds) {
  std::uint64_t sum = 0;
  for (int i = 0; i < rounds; ++i) sum += random.next();
  return sum;
}

/// Starts `body`, a coroutine, either as one or on a virtual thread of its own: one text is both kinds of task.
join_handle<void> spawn_either(base::random& random, task<> body) {
  if (random.below(2) == 0) return spawn(std::move(body));
  return spawn([body = std::move(body)]() mutable { await(std::move(body)); });
}

/// Waits for the end of `child`, also when the caller is cancelled.
task<> see_the_end_of(join_handle<void>& child) {
  cancellation_shield shield;
  EXPECT_TRUE(co_await child.async_wait());
}

/// One task's random walk. `generations` bounds how deep its children have children.
class walk {
 public:
  walk(world& shared, base::random random, int generations)
      : shared_{shared}, random_{random}, generations_{generations} {}

  static task<> begin(world& shared, base::random random, int generations, int steps) {
    walk self{shared, random, generations};
    for (int i = 0; i < steps && !cancelled(); ++i) {
      ++shared.steps_begun;
      co_await self.step();
      ++self.steps_;
    }
    shared.steps_ended += self.steps_;
  }

 private:
  base::random branch() { return base::random{random_.next()}; }

  task<> step() {
    using namespace std::chrono_literals;
    switch (random_.below(12)) {
      case 0: co_await async_yield(); break;
      case 1: check_sleep(co_await async_sleep(up_to(random_, 200us))); break;
      case 2: co_await pick_up(); break;
      case 3:
        for (auto i = random_.below(4); i != 0; --i) shared_.leave_token(shared_.any_mailbox(random_));
        break;
      case 4: co_await compute_somewhere(); break;
      case 5: EXPECT_EQ(co_await async_blocking([] { return 7; }), 7); break;
      case 6: calculate(random_, 20'000); break;  // so that others steal what waits here
      case 7: co_await a_child(); break;
      case 8: co_await a_crowd(); break;
      case 9: co_await unpark_and_cancel_at_once(); break;
      case 10: co_await a_child_that_throws(); break;
      case 11:
        if (generations_ > 0) spawn_either(random_, begin(shared_, branch(), 0, 3)).detach();
        break;
    }
  }

  static void check_sleep(const result<void>& outcome) {
    EXPECT_TRUE(outcome || outcome.error() == errc::cancelled || outcome.error() == errc::timed_out);
  }

  task<> pick_up() {
    deadline_scope limit{up_to(random_, std::chrono::microseconds{150})};
    shared_.count(co_await shared_.any_mailbox(random_).async_pick_up());
  }

  task<> compute_somewhere() {
    auto numbers = branch();
    auto sum = co_await async_compute([numbers] { return calculate(numbers, 2'000); });
    EXPECT_EQ(sum, calculate(numbers, 2'000));
  }

  task<> a_child() {
    if (generations_ == 0) co_return;
    auto child = spawn_either(random_, begin(shared_, branch(), generations_ - 1, 6));
    for (auto i = random_.below(5); i != 0; --i) co_await async_yield();
    if (random_.below(2) == 0) child.cancel();
    co_await see_the_end_of(child);
  }

  /// More than one seat wants to run.
  task<> a_crowd() {
    if (generations_ == 0) co_return;
    std::atomic<std::uint32_t> ended{0};
    auto count = random_.below(40);
    {
      scope crowd;
      for (std::uint32_t i = 0; i < count; ++i) {
        if (i % 2 == 0) {
          crowd.spawn([&ended, yields = i % 4] {
            for (auto left = yields; left != 0; --left) yield();
            ++ended;
          });
        } else {
          crowd.spawn([&ended, numbers = branch()]() -> task<> {
            calculate(numbers, 500);
            co_await async_yield();
            ++ended;
          });
        }
      }
      if (random_.below(4) == 0) crowd.cancel();
      cancellation_shield shield;
      EXPECT_TRUE(co_await crowd.async_join());
    }
    EXPECT_EQ(ended.load(), count);
  }

  /// A token comes, the task is cancelled and its deadline passes, all at the same time.
  task<> unpark_and_cancel_at_once() {
    mailbox own;
    bool picked_up = false;
    auto waiter = spawn_either(random_, pick_up_into(own, picked_up, up_to(random_, std::chrono::microseconds{60})));
    if (random_.below(2) == 0) {
      while (!waiter.is_parked() && !waiter.has_ended()) co_await async_yield();
    }
    auto other = spawn_either(random_, leave_in(own));
    if (random_.below(2) == 0) waiter.cancel();
    co_await see_the_end_of(other);
    co_await see_the_end_of(waiter);
    EXPECT_EQ(own.tokens(), picked_up ? 0 : 1);
  }
  static task<> pick_up_into(mailbox& from, bool& picked_up, duration within) {
    deadline_scope limit{within};
    picked_up = (co_await from.async_pick_up()).has_value();
  }
  static task<> leave_in(mailbox& into) {
    into.leave();
    co_return;
  }

  task<> a_child_that_throws() {
    auto child = spawn_either(random_, throw_after_a_while(random_.below(3)));
    co_await see_the_end_of(child);
    EXPECT_THROW(child.join(), int);
  }
  static task<> throw_after_a_while(std::uint32_t yields) {
    for (; yields != 0; --yields) co_await async_yield();
    throw 3;
  }

  world& shared_;
  base::random random_;
  int generations_;
  long steps_ = 0;  // nobody else's, whichever OS threads the walk leads over
};

/// What comes in from outside: tokens, waits and tasks of a plain OS thread.
void visit(runtime& home, world& shared, base::random random) {
  for (int i = 0; i < 100; ++i) {
    switch (random.below(3)) {
      case 0: shared.leave_token(shared.any_mailbox(random)); break;
      case 1: {
        deadline_scope limit{up_to(random, std::chrono::microseconds{100})};
        shared.count(await(shared.any_mailbox(random).async_pick_up()));
        break;
      }
      case 2: run_in(home, {}, [&shared, own = random] { await(walk::begin(shared, own, 1, 2)); }); break;
    }
  }
}

void run_round(std::uint32_t seed) {
  base::random random{seed};
  auto seats = 1 + random.below(4);
  auto tasks = 1 + random.below(40);
  auto visitors = random.below(3);
  // Whatever is parked is put away all the time, after a moment, or never.
  const auto hibernate_after =
      std::array{duration::zero(), duration{std::chrono::milliseconds{1}}, no_hibernation}[random.below(3)];
  std::cout << "WEFT_TEST_SEED=" << seed << ": seats " << seats << ", tasks " << tasks << ", visitors " << visitors
            << std::endl;
  SCOPED_TRACE("WEFT_TEST_SEED=" + std::to_string(seed));
  world shared;
  {
    runtime home{{.seats = seats, .compute_carriers = 2, .blocking_threads = 4, .hibernate_after = hibernate_after}};
    std::vector<std::thread> outside;
    for (std::uint32_t i = 0; i < visitors; ++i) {
      outside.emplace_back([&home, &shared, own = base::random{random.next()}] { visit(home, shared, own); });
    }
    run_in(home, {.name = "round"}, [&] {
      scope all;
      for (std::uint32_t i = 0; i < tasks; ++i) {
        auto body = walk::begin(shared, base::random{random.next()}, 2, 20);
        if (i % 2 == 0) {
          all.spawn(std::move(body));
        } else {
          all.spawn([body = std::move(body)]() mutable { await(std::move(body)); });
        }
      }
    });
    for (auto& each : outside) each.join();
    home.shut_down();
    EXPECT_EQ(home.stacks().stats().in_use, 0u);
  }
  EXPECT_EQ(shared.tokens_left.load(), shared.tokens_picked_up.load() + shared.tokens_in_mailboxes());
  EXPECT_EQ(shared.steps_begun.load(), shared.steps_ended.load());
}

TEST(scheduler_stress, whatever_tasks_do_at_random_everything_ends_and_no_token_is_lost) {
  if (const char* given = std::getenv("WEFT_TEST_SEED")) {
    run_round(static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)));
    return;
  }
  const char* seconds = std::getenv("WEFT_STRESS_SECONDS");
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds{seconds ? std::atoi(seconds) : 2};
  std::random_device seeds;
  do {
    run_round(seeds());
  } while (!HasFailure() && std::chrono::steady_clock::now() < end);
}

}  // namespace
}  // namespace weft::sched
