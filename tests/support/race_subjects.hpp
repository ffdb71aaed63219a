#pragma once

#include "tests/support/sync_fixture.hpp"

#include <chrono>
#include <concepts>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/combine/race.hpp>
#include <weft/combine/select.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/combine/with_deadline.hpp>
#include <weft/sync/atomic_wait.hpp>
#include <weft/sync/barrier.hpp>
#include <weft/sync/broadcast.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/condition_variable.hpp>
#include <weft/sync/event.hpp>
#include <weft/sync/latch.hpp>
#include <weft/sync/latest_value.hpp>
#include <weft/sync/mutex.hpp>
#include <weft/sync/oneshot.hpp>
#include <weft/sync/semaphore.hpp>
#include <weft/sync/shared_mutex.hpp>
#include <weft/sync/wait_group.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/stop_token.hpp>

namespace weft::testing {

/// An operation after whose end the waiter calls something: lets go of what it got.
template <class Op, class F>
class then : public Op {
 public:
  then(Op op, F f) : Op{std::move(op)}, f_{std::move(f)} {}
  auto take() {
    auto outcome = Op::take();
    if (outcome) f_(true);
    return outcome;
  }
  auto fail(errc condition) {
    auto outcome = Op::fail(condition);
    f_(false);
    return outcome;
  }
  void lost()
    requires requires(Op& op) { op.lost(); }
  {
    Op::lost();
    f_(false);
  }

 private:
  F f_;
};

// Each subject is an object with something to give to who waits for it. `wait()` is called by the waiter. `given` says
// whether give() has been called, `got` whether the waiter's operation succeeded.

struct subject {
  bool given = false;
};

/// What was given is with the waiter, or still there, and not both.
#define WEFT_EXPECT_IN_ONE_PLACE(is_there) EXPECT_EQ(given && !got, is_there)

struct mutex_subject : subject {
  static constexpr std::string_view name = "mutex";
  static constexpr bool by_holder_only = true;
  mutex guard;
  mutex_subject() { guard.lock(); }
  auto wait() {
    return then{guard.async_lock(), [this](bool got) {
                  if (got) guard.unlock();
                }};
  }
  void give() { guard.unlock(); }
  void check(bool) {
    ASSERT_TRUE(guard.try_lock());
    guard.unlock();
  }
};

struct shared_mutex_subject : subject {
  static constexpr std::string_view name = "shared_mutex";
  static constexpr bool by_holder_only = true;
  shared_mutex guard;
  shared_mutex_subject() { guard.lock(); }
  auto wait() {
    return then{guard.async_lock_shared(), [this](bool got) {
                  if (got) guard.unlock_shared();
                }};
  }
  void give() { guard.unlock(); }
  void check(bool) {
    ASSERT_TRUE(guard.try_lock());
    guard.unlock();
  }
};

struct condition_subject : subject {
  static constexpr std::string_view name = "condition_variable";
  static constexpr bool by_holder_only = true;  // a notification for nobody is lost
  mutex guard;
  condition_variable changed;
  std::unique_lock<mutex> lock{guard, std::defer_lock};
  auto wait() {
    lock.lock();
    return then{changed.async_wait(lock), [this](bool) { lock.unlock(); }};
  }
  void give() { changed.notify_one(); }
  void check(bool) {
    ASSERT_TRUE(guard.try_lock()) << "the waiter had it again";
    guard.unlock();
  }
};

struct semaphore_subject : subject {
  static constexpr std::string_view name = "semaphore";
  semaphore permits{0};
  auto wait() { return permits.async_acquire(); }
  void give() { permits.release(); }
  void check(bool got) { WEFT_EXPECT_IN_ONE_PLACE(permits.available() == 1); }
};

struct receive_subject : subject {
  static constexpr std::string_view name = "channel::recv";
  channel<int> values{1};
  auto wait() { return values.async_recv(); }
  void give() { given = values.try_send(7).has_value(); }
  void close() { values.close(); }
  void check(bool got) { WEFT_EXPECT_IN_ONE_PLACE(values.try_recv() == 7); }
};

struct send_subject : subject {
  static constexpr std::string_view name = "channel::send";
  static constexpr bool takes_from_waiters = true;  // who gives is who receives: nothing when nobody sends yet
  channel<int> values{0};
  std::optional<int> received;
  auto wait() { return values.async_send(7); }
  void give() { received = values.try_recv(); }
  void close() { values.close(); }
  void check(bool got) {
    EXPECT_EQ(got, received == 7);
    EXPECT_FALSE(values.try_recv());
  }
};

struct oneshot_subject : subject {
  static constexpr std::string_view name = "oneshot";
  oneshot<int> value;
  auto wait() { return value.async_recv(); }
  void give() { given = value.send(7).has_value(); }
  void close() { value.close(); }
  void check(bool got) { WEFT_EXPECT_IN_ONE_PLACE(value.try_recv() == 7); }
};

struct broadcast_subject : subject {
  static constexpr std::string_view name = "broadcast";
  broadcast<int> values{4};
  broadcast<int>::receiver receiver = values.subscribe();
  auto wait() { return receiver.async_recv(); }
  void give() { given = values.send(7).has_value(); }
  void close() { values.close(); }
  void check(bool got) { WEFT_EXPECT_IN_ONE_PLACE(receiver.try_recv().has_value()); }
};

struct latest_subject : subject {
  static constexpr std::string_view name = "latest_value";
  latest_value<int> value{0};
  latest_value<int>::reader reader = value.subscribe();
  latest_subject() { EXPECT_EQ(reader.try_recv(), 0); }
  auto wait() { return reader.async_recv(); }
  void give() { given = value.set(7).has_value(); }
  void close() { value.close(); }
  void check(bool got) { WEFT_EXPECT_IN_ONE_PLACE(reader.try_recv() == 7); }
};

struct auto_reset_subject : subject {
  static constexpr std::string_view name = "auto_reset_event";
  auto_reset_event event;
  auto wait() { return event.async_wait(); }
  void give() { event.set(); }
  void check(bool got) { WEFT_EXPECT_IN_ONE_PLACE(event.try_wait()); }
};

struct event_subject : subject {
  static constexpr std::string_view name = "event";
  event happened;
  auto wait() { return happened.async_wait(); }
  void give() { happened.set(); }
  void check(bool) { EXPECT_EQ(happened.is_set(), given); }
};

struct latch_subject : subject {
  static constexpr std::string_view name = "latch";
  latch counted{1};
  auto wait() { return counted.async_wait(); }
  void give() { counted.count_down(); }
  void check(bool) { EXPECT_EQ(counted.try_wait(), given); }
};

struct wait_group_subject : subject {
  static constexpr std::string_view name = "wait_group";
  wait_group group{1};
  auto wait() { return group.async_wait(); }
  void give() { group.done(); }
  void check(bool) {
    if (!given) group.done();
    EXPECT_TRUE(group.wait());
  }
};

struct barrier_subject : subject {
  static constexpr std::string_view name = "barrier";
  barrier<> both{2};
  auto wait() { return both.async_arrive_and_wait(); }
  void give() { both.arrive(); }
  void check(bool) {
    if (!given) both.arrive();
    both.arrive();
    EXPECT_TRUE(both.arrive_and_wait()) << "the next phase";
  }
};

struct atomic_subject : subject {
  static constexpr std::string_view name = "atomic_wait";
  std::atomic<int> number{0};
  auto wait() { return async_atomic_wait(number, 0); }
  void give() {
    number = 1;
    atomic_notify_all(number);
  }
  void check(bool) { EXPECT_EQ(number == 1, given); }
};

struct join_subject : subject {
  static constexpr std::string_view name = "join";
  static constexpr bool by_holder_only = true;  // waits until the task has ended
  event go;
  join_handle<void> task = spawn([this] {
    cancellation_shield not_now;
    EXPECT_TRUE(go.wait());
  });
  auto wait() { return task.async_wait(); }
  void give() {
    go.set();
    while (!task.has_ended()) yield();
  }
  void check(bool) {
    go.set();
    task.join();
  }
};

/// The subject `Inner` as the only case that can happen of a wait for several.
template <class Inner>
struct select_subject : Inner {
  static constexpr std::string_view name = "select";
  channel<int> never{0};
  auto wait() { return with_timeout(race(Inner::wait(), never.async_recv()), std::chrono::hours{1000}); }
};

template <class Subject>
constexpr bool may_close = requires(Subject& each) { each.close(); };
template <class Subject>
constexpr bool may_be_given_by_anybody = !requires { Subject::by_holder_only; };

/// Calls `f.template operator()<Subject>()` for all of them.
template <class F>
void for_each_subject(F f) {
  auto call = [&f]<class Subject>() { f.template operator()<Subject>(); };
  auto call_all = [&call]<class... Subjects>() { (call.template operator()<Subjects>(), ...); };
  call_all
      .template operator()<mutex_subject, shared_mutex_subject, condition_subject, semaphore_subject, receive_subject,
                           send_subject, oneshot_subject, broadcast_subject, latest_subject, auto_reset_subject,
                           event_subject, latch_subject, wait_group_subject, barrier_subject, atomic_subject,
                           join_subject, select_subject<receive_subject>, select_subject<semaphore_subject>>();
}

template <class Subject>
void give(Subject& to) {
  to.given = true;
  to.give();
}

template <class Outcome>
[[nodiscard]] std::error_code error_of(const Outcome& outcome) {
  if (outcome.has_value()) return {};
  return detail::reason_of(outcome.error());
}

}  // namespace weft::testing
