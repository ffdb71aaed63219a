#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <weft/base/random.hpp>
#include <weft/combine/select.hpp>
#include <weft/compute/compute.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/task/blocking.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "tests/support/mailbox.hpp"
#include "weft/io/detail/reactor.hpp"

// Tasks of both kinds that do at random whatever a task can do to the scheduler, with OS threads among them, in real
// time: spawn, park, unpark, cancel, time out, steal, lose the seat to the watchdog, have the stack put away, and all
// of it at once. Each round is a runtime of its own and a seed, which is printed before the round begins, so that it is
// known also of a round that hangs. WEFT_TEST_SEED runs one round again; WEFT_STRESS_SECONDS says for how long there
// are new ones, 2 without it.
//
// What holds whatever happens: everything ends, no token, value or byte is lost or had twice, a task's own variables
// belong to it alone (ThreadSanitizer watches them, and the count of its steps is right in the end), each wait ends for
// a reason that it may end for, and no stack is left in use.

namespace weft {
namespace {

using testing::mailbox;

/// A connection on which anybody sends and anybody receives, counted to the byte.
class byte_pipe {
 public:
  task<> send(std::size_t count) {
    std::array<std::byte, 64> bytes{};
    auto sent = co_await from_.async_send(std::span{bytes}.first(count));
    if (sent) sent_ += *sent;
    expect_interrupted_only(sent);
  }
  task<> receive() {
    std::array<std::byte, 64> bytes{};
    auto received = co_await to_.async_recv(bytes);
    if (received) received_ += *received;
    expect_interrupted_only(received);
  }

  /// Everybody is gone: what was sent was received, or is still on its way.
  void check() {
    EXPECT_TRUE(from_.shutdown_send());
    std::array<std::byte, 4096> bytes;
    while (auto rest = to_.recv(bytes)) received_ += *rest;
    EXPECT_EQ(sent_.load(), received_.load());
  }

 private:
  explicit byte_pipe(tcp_listener listener)
      : from_{tcp_stream::connect(listener.local()).value()}, to_{listener.accept().value()} {}
  static void expect_interrupted_only(const result<std::size_t>& outcome) {
    EXPECT_TRUE(outcome || outcome.error() == errc::timed_out || outcome.error() == errc::cancelled) << outcome.error();
  }

  tcp_stream from_, to_;
  std::atomic<std::size_t> sent_{0}, received_{0};

 public:
  byte_pipe() : byte_pipe{tcp_listener::bind("127.0.0.1:0").value()} {}
};

/// What the tasks of one round share.
struct world {
  std::array<mailbox, 6> mailboxes;
  std::atomic<long> tokens_left{0}, tokens_picked_up{0};
  std::array<channel<int>, 3> channels{channel<int>{0}, channel<int>{2}, channel<int>{unbounded}};
  std::atomic<long> values_sent{0}, values_received{0};
  std::array<byte_pipe, 2> pipes;
  std::atomic<long> steps_begun{0}, steps_ended{0};

  mailbox& any_mailbox(base::random& random) { return mailboxes[random.below(mailboxes.size())]; }
  channel<int>& any_channel(base::random& random) { return channels[random.below(channels.size())]; }
  byte_pipe& any_pipe(base::random& random) { return pipes[random.below(pipes.size())]; }
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

  /// Everybody is gone: nothing was lost, and nothing was had twice.
  void check() {
    for (const auto& each : mailboxes) tokens_picked_up += each.tokens();
    EXPECT_EQ(tokens_left.load(), tokens_picked_up.load());
    for (auto& each : channels) {
      while (each.try_recv()) ++values_received;
    }
    EXPECT_EQ(values_sent.load(), values_received.load());
    for (auto& each : pipes) each.check();
    EXPECT_EQ(steps_begun.load(), steps_ended.load());
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
    switch (random_.below(19)) {
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
      case 12: co_await send_a_value(); break;
      case 13: co_await receive_a_value(); break;
      case 14: co_await choose_what_comes_first(); break;
      case 15: co_await send_bytes(); break;
      case 16: co_await receive_bytes(); break;
      case 17: keep_the_seat(); break;
      case 18:
        if (random_.below(8) == 0) runtime::current()->hibernate_parked();
        break;
    }
  }

  static void check_sleep(const result<void>& outcome) {
    EXPECT_TRUE(outcome || outcome.error() == errc::cancelled || outcome.error() == errc::timed_out);
  }

  task<> pick_up() {
    deadline_scope limit{soon()};
    shared_.count(co_await shared_.any_mailbox(random_).async_pick_up());
  }

  duration soon() { return up_to(random_, std::chrono::microseconds{150}); }

  task<> send_a_value() {
    deadline_scope limit{soon()};
    auto outcome = co_await shared_.any_channel(random_).async_send(1);
    if (outcome) ++shared_.values_sent;
  }
  task<> receive_a_value() {
    deadline_scope limit{soon()};
    auto outcome = co_await shared_.any_channel(random_).async_recv();
    if (outcome) ++shared_.values_received;
  }
  task<> choose_what_comes_first() {
    auto choice = async_select(shared_.any_channel(random_).async_send(1), shared_.any_channel(random_).async_recv(),
                               shared_.any_mailbox(random_).async_pick_up(), async_sleep(soon()));
    auto chosen = co_await std::move(choice);
    if (!chosen) {
      EXPECT_TRUE(chosen.error() == errc::timed_out || chosen.error() == errc::cancelled) << chosen.error();
      co_return;
    }
    if (chosen->index() == 0) ++shared_.values_sent;
    if (chosen->index() == 1) ++shared_.values_received;
    if (chosen->index() == 2) shared_.count(std::get<2>(*chosen));
  }

  task<> send_bytes() {
    deadline_scope limit{soon()};
    co_await shared_.any_pipe(random_).send(1 + random_.below(64));
  }
  task<> receive_bytes() {
    deadline_scope limit{soon()};
    co_await shared_.any_pipe(random_).receive();
  }

  /// Now and then for so long that the watchdog hands the seat over.
  void keep_the_seat() {
    using namespace std::chrono_literals;
    auto end = std::chrono::steady_clock::now() + up_to(random_, random_.below(4) == 0 ? 4ms : 50us);
    while (std::chrono::steady_clock::now() < end) {}
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

/// Where the seats of a round wait. Empty: where there is no I/O, so that sockets are waited for elsewhere.
sched::driver_factory any_driver(base::random& random, std::string& name) {
  switch (random.below(3)) {
    case 0:
      if (io::make_io_uring_reactor()) {
        name = "io_uring";
        return [](std::size_t) { return io::make_io_uring_reactor().value(); };
      }
      [[fallthrough]];
    case 1: name = "epoll"; return [](std::size_t) { return io::make_epoll_reactor().value(); };
    default: name = "none"; return {};
  }
}

void run_round(std::uint32_t seed) {
  using namespace std::chrono_literals;
  base::random random{seed};
  auto seats = 1 + random.below(4);
  auto tasks = 1 + random.below(40);
  auto visitors = random.below(3);
  bool watched = random.below(4) != 0;
  std::string reactor;
  auto drivers = any_driver(random, reactor);
  // Whatever is parked is put away all the time, after a moment, or never.
  const auto hibernate_after =
      std::array{duration::zero(), duration{std::chrono::milliseconds{1}}, no_hibernation}[random.below(3)];
  std::cout << "WEFT_TEST_SEED=" << seed << ": seats " << seats << ", tasks " << tasks << ", visitors " << visitors
            << ", reactor " << reactor << ", watchdog " << (watched ? "on" : "off") << ", hibernation after "
            << (hibernate_after == no_hibernation     ? "never"
                : hibernate_after == duration::zero() ? "0"
                                                      : "1 ms")
            << std::endl;
  SCOPED_TRACE("WEFT_TEST_SEED=" + std::to_string(seed));
  world shared;
  {
    runtime home{{.seats = seats,
                  .compute_carriers = 2,
                  .blocking_threads = 4,
                  .make_driver = std::move(drivers),
                  .watchdog = {.enabled = watched, .slice = 1ms},
                  .hibernate_after = hibernate_after}};
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
  shared.check();
}

TEST(scheduler_stress, whatever_tasks_do_at_random_everything_ends_and_nothing_is_lost) {
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

TEST(scheduler_stress, tasks_thrown_over_from_an_os_thread_wake_an_idle_runtime_every_time) {
  for (std::size_t seats : {1u, 2u, 4u}) {
    runtime home{{.seats = seats}};
    int ran = 0;
    for (int i = 0; i < 3'000; ++i) {
      run_in(home, {}, [&] { ++ran; });  // each finds the seats asleep, or on the way there
    }
    EXPECT_EQ(ran, 3'000);
  }
}

}  // namespace
}  // namespace weft
