// The same between the waits of when_all and race, which wait anew whenever one operation has happened, and while the
// cases of a select are armed and left, which a case of the test's own sees: see forced_races_test.cpp.

#include "tests/support/race_subjects.hpp"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace testing;

/// Waits on while a wait for several is cancelled, and happens all the same if what it waits for comes before it was
/// asked to end.
template <class Subject>
constexpr bool is_kept = std::same_as<Subject, condition_subject>;

class repeated_waits : public sync_test {};
WEFT_FOR_WAITERS_OF_EVERY_KIND(repeated_waits);

// ---- between the waits of when_all and race

TEST_P(repeated_waits, between_the_waits_of_when_all_leave_what_is_given_in_one_place) {
  run([] {
    for_each_subject([]<class Subject>() {
      // 1 the other operation happens, p the waiter is parked again, g given, x cancelled
      for (std::string_view order : {"1gx", "1xg", "1pgx", "1pxg", "g1x", "gp1x", "gpx1", "x1g"}) {
        Subject object;
        channel<int> other{1};
        auto waiting = start_parked([&] { return when_all(object.wait(), other.async_recv()); });
        for (char each : order) {
          if (each == '1') {
            ASSERT_TRUE(other.try_send(1));
          }
          if (each == 'p') waiting.run_until_parked();
          if (each == 'g') give(object);
          if (each == 'x') waiting.cancel();
        }
        auto [outcome, one] = waiting.outcome();
        if (order == "1pgx" || order == "gp1x") {
          EXPECT_TRUE(outcome.has_value() && one.has_value()) << order;
        }
        if (order == "1pxg" && !is_kept<Subject>) {
          EXPECT_EQ(error_of(outcome), errc::cancelled) << Subject::name;
        }
        if (order == "gpx1") {
          EXPECT_TRUE(outcome.has_value());
        }
        EXPECT_EQ(one.has_value(), !other.try_recv().has_value()) << order;
        if (!outcome) {
          EXPECT_EQ(error_of(outcome), errc::cancelled) << Subject::name << ' ' << order;
        }
        object.check(outcome.has_value());
      }
    });
  });
}

TEST_P(repeated_waits, between_the_waits_of_race_leave_what_is_given_in_one_place) {
  run([] {
    for_each_subject([]<class Subject>() {
      // c the other operation fails, the rest as above
      for (std::string_view order : {"cgx", "cxg", "cpgx", "cpxg", "gcx", "xcg"}) {
        Subject object;
        channel<int> other{1};
        auto waiting = start_parked([&] { return race(object.wait(), other.async_recv()); });
        for (char each : order) {
          if (each == 'c') other.close();
          if (each == 'p') waiting.run_until_parked();
          if (each == 'g') give(object);
          if (each == 'x') waiting.cancel();
        }
        auto outcome = waiting.outcome();
        if (order == "cpgx" || order == "gcx") {
          EXPECT_TRUE(outcome.has_value()) << order;
        }
        if ((order == "cpxg" || order == "xcg") && !is_kept<Subject>) {
          EXPECT_EQ(error_of(outcome), errc::cancelled) << Subject::name << ' ' << order;
        }
        if (outcome) {
          EXPECT_EQ(outcome->index(), 0u);
        }
        object.check(outcome.has_value());
      }
    });
  });
}

// ---- while the cases of a select are armed and left

/// A case that does not happen by itself, and does something while it is armed or left, after some of the other cases
/// and before the others.
class meddler {
 public:
  using value_type = result<void>;
  static constexpr wait_kind kind = wait_kind::timer;
  meddler(std::function<void()> at_arm, std::function<void()> at_disarm)
      : at_arm_{std::move(at_arm)}, at_disarm_{std::move(at_disarm)} {}

  static bool try_complete() noexcept { return false; }
  bool arm(wait_node&) { return call(at_arm_); }
  void disarm(wait_node&) { call(at_disarm_); }
  static bool finish() noexcept { return true; }
  static value_type take() { return {}; }
  static value_type fail(errc condition) { return failure(condition); }

 private:
  static bool call(std::function<void()>& f) {
    if (auto once = std::exchange(f, nullptr)) once();
    return false;
  }
  std::function<void()> at_arm_, at_disarm_;
};

void cancel_self() { detail::current_task().request_cancel(); }

TEST_P(repeated_waits, while_a_select_is_armed_leave_what_is_given_in_one_place) {
  run([] {
    for_each_subject([]<class Subject>() {
      if constexpr (may_be_given_by_anybody<Subject>) {
        for (std::string_view order : {"g", "x", "gx", "xg", "c", "cx"}) {
          for (int round = 0; round < 8; ++round) {  // in some of them it is armed before the meddler, in some after
            if (order.contains('c') && !may_close<Subject>) continue;
            if (order == "g" && requires { Subject::takes_from_waiters; }) continue;
            Subject object;
            channel<int> never{0};
            auto meddle = [&] {
              for (char each : order) {
                if (each == 'g') give(object);
                if (each == 'x') cancel_self();
                if constexpr (may_close<Subject>) {
                  if (each == 'c') object.close();
                }
              }
            };
            auto waiting = start([&] { return async_select(object.wait(), meddler{meddle, {}}, never.async_recv()); });
            if (order == "c" && Subject::name == "select") never.close();  // which waits for it, too
            auto outcome = waiting.outcome();
            bool got = false;
            if (outcome && outcome->index() == 0) got = std::get<0>(*outcome).has_value();
            if (order == "g") {
              EXPECT_TRUE(got) << round;
            }
            if (order == "x" || order == "xg") {
              EXPECT_EQ(error_of(outcome), errc::cancelled) << Subject::name << ' ' << round;
            }
            object.check(got);
          }
        }
      }
    });
  });
}

TEST_P(repeated_waits, while_the_cases_of_a_select_are_left_leave_what_is_given_where_it_was) {
  run([] {
    for_each_subject([]<class Subject>() {
      if constexpr (may_be_given_by_anybody<Subject>) {
        for (std::string_view order : {"g", "gx", "xg"}) {
          for (int round = 0; round < 8; ++round) {
            Subject object;
            channel<int> other{0};
            auto meddle = [&] {
              for (char each : order) {
                if (each == 'g') give(object);
                if (each == 'x') cancel_self();
              }
            };
            auto waiting =
                start_parked([&] { return async_select(object.wait(), meddler{{}, meddle}, other.async_recv()); });
            ASSERT_TRUE(other.try_send(1));
            auto outcome = waiting.outcome();
            ASSERT_TRUE(outcome);
            ASSERT_EQ(outcome->index(), 2u);
            object.check(false);
          }
        }
      }
    });
  });
}

}  // namespace
}  // namespace weft
