// Five philosophers sit around a table with five forks between them. Each needs both neighbouring forks to eat.
//
// broken           all take the left fork, then wait for the right one: a circle, which the deadlock detector names
// locks            each takes the fork with the lower number first: no circle can close
// channels         a fork is a channel that holds it; a ticket for the table, one less than there are chairs, comes
// first shared-nothing   a waiter owns the forks; philosophers ask it for both at once

#include <array>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include <weft/weft.hpp>

#include "support/versions.hpp"

namespace {

constexpr std::size_t philosophers = 5;
constexpr std::size_t meals = 2'000;  // of each
constexpr std::array<std::string_view, philosophers> names{"Plato", "Kant", "Hypatia", "Confucius", "Arendt"};

/// What the detector found; told on its own thread.
weft::guarded<std::string> found_deadlock;

/// Seats `dine(philosopher)`, which returns how many meals it had, for all at the same time.
template <class F>
verdict feed_all(F dine) {
  std::size_t eaten = 0;
  {
    weft::scope table;
    std::vector<weft::child_result<std::size_t>> all;
    for (std::size_t i = 0; i < philosophers; ++i) {
      all.push_back(table.spawn_result({.name = names[i]}, [dine, i] { return dine(i); }));
    }
    table.join();
    for (auto& each : all) eaten += each.take();
  }
  verdict outcome;
  outcome.is_right = eaten == philosophers * meals;
  outcome.what = std::to_string(eaten) + " of " + std::to_string(philosophers * meals) + " meals were eaten";
  return outcome;
}

verdict broken() {
  std::deque<weft::mutex> forks(philosophers);
  weft::latch all_have_one{philosophers};
  auto outcome = feed_all([&](std::size_t i) -> std::size_t {
    for (std::size_t eaten = 0; eaten < meals; ++eaten) {
      std::scoped_lock left{forks[i]};
      if (eaten == 0) {  // the worst case at once, and not after an hour
        all_have_one.count_down();
        static_cast<void>(all_have_one.wait());
      }
      try {
        std::scoped_lock right{forks[(i + 1) % philosophers]};
      } catch (const weft::deadlock_error&) {
        return eaten;  // the detector has ended the wait of this one; the others go on
      }
    }
    return meals;
  });
  auto report = found_deadlock.lock();
  outcome.report = *report;
  if (!report->empty()) outcome.what = "deadlock: " + outcome.what;
  return outcome;
}

verdict with_locks() {
  std::deque<weft::mutex> forks(philosophers);
  return feed_all([&](std::size_t i) {
    const auto other = (i + 1) % philosophers;
    for (std::size_t eaten = 0; eaten < meals; ++eaten) {
      std::scoped_lock lower{forks[std::min(i, other)]};
      std::scoped_lock higher{forks[std::max(i, other)]};
      weft::yield();  // eats
    }
    return meals;
  });
}

verdict with_channels() {
  struct fork {};
  std::deque<weft::channel<fork>> forks;
  for (std::size_t i = 0; i < philosophers; ++i) {
    forks.emplace_back(1u);
    static_cast<void>(forks[i].try_send({}));
  }
  weft::semaphore tickets{philosophers - 1};
  return feed_all([&](std::size_t i) -> std::size_t {
    auto& left = forks[i];
    auto& right = forks[(i + 1) % philosophers];
    for (std::size_t eaten = 0; eaten < meals; ++eaten) {
      if (!tickets.acquire() || !left.recv() || !right.recv()) return eaten;
      weft::yield();  // eats
      if (!left.send({}) || !right.send({})) return eaten;
      tickets.release();
    }
    return meals;
  });
}

verdict with_nothing_shared() {
  struct request {
    std::size_t philosopher;
    bool has_eaten;
  };
  weft::channel<request> orders{philosophers};
  std::deque<weft::channel<bool>> served;
  for (std::size_t i = 0; i < philosophers; ++i) served.emplace_back(1u);
  auto waiter = weft::spawn({.name = "waiter"}, [&] {
    std::array<bool, philosophers> is_taken{}, is_hungry{};
    for (auto& [who, has_eaten] : orders) {
      if (has_eaten) is_taken[who] = is_taken[(who + 1) % philosophers] = false;
      is_hungry[who] = !has_eaten;
      for (std::size_t i = 0; i < philosophers; ++i) {
        const auto other = (i + 1) % philosophers;
        if (!is_hungry[i] || is_taken[i] || is_taken[other]) continue;
        is_hungry[i] = false;
        is_taken[i] = is_taken[other] = true;
        static_cast<void>(served[i].try_send(true));
      }
    }
  });
  auto outcome = feed_all([&](std::size_t i) -> std::size_t {
    for (std::size_t eaten = 0; eaten < meals; ++eaten) {
      if (!orders.send({i, false}) || !served[i].recv()) return eaten;
      weft::yield();  // eats
      if (!orders.send({i, true})) return eaten;
    }
    return meals;
  });
  orders.close();
  waiter.join();
  return outcome;
}

}  // namespace

int main(int count, char** arguments) {
  verdict_printer printer{"dining_philosophers", count, arguments};
  weft::run_options options;
  options.tracking = {.tasks = weft::tracking::on,
                      .look_every = std::chrono::milliseconds{20},
                      .then = weft::deadlock_action::fail_waits,
                      .on_deadlock = [](const weft::deadlock& found) {
                        std::string names_and_objects = "deadlock, in a circle:";
                        for (const auto& each : found.tasks) names_and_objects += '\n' + describe(each);
                        *found_deadlock.lock() = std::move(names_and_objects);
                      }};
  return weft::run(options, [&] {
    printer.run("broken", broken);
    printer.run("locks", with_locks);
    printer.run("channels", with_channels);
    printer.run("shared-nothing", with_nothing_shared);
    return printer.finish();
  });
}
