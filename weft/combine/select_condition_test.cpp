#include "tests/support/sync_fixture.hpp"

#include <mutex>

#include <weft/combine/race.hpp>
#include <weft/combine/select.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/mutex.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::run_until_parked;

class selects : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(selects);

/// Waits in `select` for a condition and for `other`, which wins although the condition was notified as well.
template <class Select>
void expect_notification_passed_on(Select choose) {
  mutex guard;
  condition_variable changed;
  event other;
  auto loser = spawn([&] {
    std::unique_lock lock{guard};
    const bool lost = choose(changed, lock, other);
    EXPECT_EQ(guard.holder(), &detail::current_task());
    return lost;
  });
  run_until_parked(loser);
  auto next = spawn([&] {
    std::unique_lock lock{guard};
    return await(with_timeout(changed.async_wait(lock), 1h)).has_value();
  });
  run_until_parked(next);
  guard.lock();
  other.set();
  changed.notify_one();
  guard.unlock();
  const bool lost = loser.join();
  EXPECT_EQ(next.join(), lost) << "a notification has reached exactly one";
}

TEST_P(selects, over_a_condition_pass_its_notification_on_when_they_are_decided_by_another_case) {
  run([] {
    channel<int> never{0};
    for (int i = 0; i < 10; ++i) {
      expect_notification_passed_on([](auto& changed, auto& lock, auto& other) {
        return select(changed.async_wait(lock), other.async_wait())->index() == 1;
      });
      expect_notification_passed_on([](auto& changed, auto& lock, auto& other) {
        return await(race(changed.async_wait(lock), other.async_wait()))->index() == 1;
      });
      expect_notification_passed_on([](auto& changed, auto& lock, auto& other) {
        return select(with_timeout(changed.async_wait(lock), 2h), other.async_wait())->index() == 1;
      });
      expect_notification_passed_on([&](auto& changed, auto& lock, auto& other) {
        return select(when_any(changed.async_wait(lock), never.async_recv()), other.async_wait())->index() == 1;
      });
      expect_notification_passed_on([&](auto& changed, auto& lock, auto& other) {
        return select(race(changed.async_wait(lock), never.async_recv()), other.async_wait())->index() == 1;
      });
    }
  });
}

TEST_P(selects, over_a_condition_that_notified_all_wake_nobody_who_came_later) {
  run([] {
    mutex guard;
    condition_variable changed;
    event other;
    auto loser = spawn([&] {
      std::unique_lock lock{guard};
      return select(changed.async_wait(lock), other.async_wait())->index();
    });
    run_until_parked(loser);
    other.set();
    changed.notify_all();
    auto later = spawn([&] {
      std::unique_lock lock{guard};
      return await(with_timeout(changed.async_wait(lock), 1h)).has_value();
    });
    static_cast<void>(loser.join());
    EXPECT_FALSE(later.join());
  });
}

TEST_P(selects, over_a_condition_with_a_deadline_of_its_own_end_with_that) {
  run([] {
    mutex guard;
    condition_variable changed;
    channel<int> never{0};
    std::unique_lock lock{guard};
    auto began = now();
    auto outcome = select(with_timeout(changed.async_wait(lock), 1s), never.async_recv());
    ASSERT_EQ(outcome->index(), 0u);
    EXPECT_EQ(std::get<0>(*outcome).error(), errc::timed_out);
    EXPECT_LT(now() - began, 2s);
    EXPECT_EQ(guard.holder(), &detail::current_task());
  });
}

}  // namespace
}  // namespace weft
