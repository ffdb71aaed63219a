// What ends a wait meets what else may end it: a hand-over, a cancel, a close, a deadline, each in every order. Each
// order is forced: nothing here depends on luck, but on several seats the waiter may have gone on elsewhere before the
// second thing happens, and then only what is promised either way is looked at.

#include "tests/support/race_subjects.hpp"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace testing;

class forced_races : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(forced_races);

TEST_P(forced_races, of_a_hand_over_and_a_cancel_are_won_by_the_first) {
  run([] {
    for_each_subject([]<class Subject>() {
      for (bool given_first : {true, false}) {
        Subject object;
        auto waiting = start_parked([&] { return object.wait(); });
        if (given_first) give(object);
        waiting.cancel();
        if (!given_first) give(object);
        auto outcome = waiting.outcome();
        EXPECT_EQ(error_of(outcome), given_first ? std::error_code{} : errc::cancelled) << Subject::name;
        object.check(outcome.has_value());
      }
    });
  });
}

TEST_P(forced_races, of_a_hand_over_and_a_cancel_when_the_waiter_has_gone_on_elsewhere_give_it_what_it_got) {
  run([] {
    for_each_subject([]<class Subject>() {
      Subject object;
      std::atomic<bool> over{false};
      auto waiting = start_parked([&] { return then{object.wait(), [&](bool) { over = true; }}; });
      give(object);
      // It keeps its seat, so that the waiter goes on at another, if there is one that is quick enough.
      for (int spins = 0; !over && spins < 100'000; ++spins) base::pause();
      waiting.cancel();
      auto outcome = waiting.outcome();
      EXPECT_EQ(error_of(outcome), std::error_code{}) << Subject::name;
      object.check(outcome.has_value());
    });
  });
}

TEST_P(forced_races, of_a_close_and_anything_else_are_won_by_the_first) {
  run([] {
    for_each_subject([]<class Subject>() {
      if constexpr (may_close<Subject>) {
        for (auto [first, second, expected] :
             {std::tuple{'c', 'x', std::error_code{errc::closed}},
              std::tuple{'x', 'c', std::error_code{errc::cancelled}}, std::tuple{'g', 'c', std::error_code{}},
              std::tuple{'c', 'g', std::error_code{errc::closed}}}) {
          // A race in which one has failed waits for the others.
          if (Subject::name == "select" && expected == errc::closed) continue;
          Subject object;
          auto waiting = start_parked([&] { return object.wait(); });
          for (char each : {first, second}) {
            if (each == 'c') object.close();
            if (each == 'g') object.give();
            if (each == 'x') waiting.cancel();
          }
          auto outcome = waiting.outcome();
          EXPECT_EQ(error_of(outcome), expected) << Subject::name << ' ' << first << second;
          object.check(outcome.has_value());
        }
      }
    });
  });
}

TEST_P(forced_races, of_a_hand_over_and_a_deadline_are_won_by_the_first) {
  // What an OS thread waits for in vain takes real time: its deadlines are in their own tests.
  if (std::get<1>(GetParam()) == waiter_kind::os_thread) return;
  run([] {
    for_each_subject([]<class Subject>() {
      for (bool given_first : {true, false}) {
        Subject object;
        auto waiting = start([&] { return object.wait(); }, 1h);
        waiting.run_until_parked();
        if (given_first) {
          give(object);
          virtual_clock::active()->advance_to(now() + 2h);  // on one seat the waiter has not run
        } else {
          EXPECT_TRUE(sleep(2h));
          give(object);
        }
        auto outcome = waiting.outcome();
        EXPECT_EQ(error_of(outcome), given_first ? std::error_code{} : errc::timed_out) << Subject::name;
        object.check(outcome.has_value());
      }
    });
  });
}

TEST_P(forced_races, of_a_hand_over_and_a_deadline_at_the_same_instant_leave_it_in_one_place) {
  if (std::get<1>(GetParam()) == waiter_kind::os_thread) return;
  run([] {
    for_each_subject([]<class Subject>() {
      if constexpr (may_be_given_by_anybody<Subject>) {
        for (bool waits_first : {true, false}) {
          Subject object;
          auto start_waiting = [&] { return start([&] { return object.wait(); }, 1h); };
          const auto due = now() + 1h;
          std::optional<decltype(start_waiting())> waiting;
          if (waits_first) waiting.emplace(start_waiting());
          if (waits_first) waiting->run_until_parked();
          auto giver = spawn([&] {
            EXPECT_TRUE(sleep_until(due));
            give(object);
          });
          while (!giver.is_parked()) yield();
          if (!waits_first) waiting.emplace(start_waiting());
          giver.join();
          auto outcome = waiting->outcome();
          if (!outcome) {
            EXPECT_EQ(error_of(outcome), errc::timed_out) << Subject::name;
          }
          object.check(outcome.has_value());
        }
      }
    });
  });
}

}  // namespace
}  // namespace weft
