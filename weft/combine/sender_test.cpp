#include "tests/support/task_fixture.hpp"

#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include <weft/combine/sender.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/sync/event.hpp>

namespace weft {
namespace {

using namespace std::chrono_literals;

#if !defined(__cpp_lib_senders)
template <class Op>
concept becomes_a_sender = requires(Op op) { as_sender(std::move(op)); };

TEST(senders, are_not_offered_where_the_standard_library_has_none) {
  EXPECT_FALSE(has_senders);
  EXPECT_FALSE(becomes_a_sender<detail::sleep_operation>);
}
#endif

/// As much of std::execution as the adapter needs.
struct stand_in {
  struct sender_concept {};
  struct operation_state_concept {};
  template <class Value, class Error>
  struct signatures {};

  template <class Receiver, class... Value>
  static void set_value(Receiver&& receiver, Value&&... value) {
    std::forward<Receiver>(receiver).set_value(std::forward<Value>(value)...);
  }
  template <class Receiver, class Error>
  static void set_error(Receiver&& receiver, Error&& error) {
    std::forward<Receiver>(receiver).set_error(std::forward<Error>(error));
  }
  template <class Receiver>
  static void set_stopped(Receiver&& receiver) {
    std::forward<Receiver>(receiver).set_stopped();
  }
  template <class F>
  struct on_stop {
    template <class Receiver>
    on_stop(const Receiver& receiver, F f) : callback{receiver.stop, std::move(f)} {}
    std::stop_callback<F> callback;
  };
};

struct heard {
  std::optional<int> value;
  std::optional<std::error_code> error;
  bool threw = false, stopped = false;
  event done;
};

struct receiver {
  heard* by;
  std::stop_token stop;

  void set_value(int value) && {
    by->value = value;
    by->done.set();
  }
  void set_value() && { by->done.set(); }
  void set_error(std::error_code error) && {
    by->error = error;
    by->done.set();
  }
  void set_error(std::exception_ptr) && {
    by->threw = true;
    by->done.set();
  }
  void set_stopped() && {
    by->stopped = true;
    by->done.set();
  }
};

template <class Op>
auto sender_of(Op op) {
  return detail::basic_sender<stand_in, Op>{*runtime::current(), std::move(op)};
}

class sender_adapter : public testing::runtime_test {};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(sender_adapter);

TEST_P(sender_adapter, sends_the_value_of_an_operation) {
  run([] {
    channel<int> numbers{0};
    heard outcome;
    auto state = sender_of(numbers.async_recv()).connect(receiver{&outcome, {}});
    state.start();
    EXPECT_TRUE(numbers.send(7));
    EXPECT_TRUE(outcome.done.wait());
    EXPECT_EQ(outcome.value, 7);
    heard slept;
    auto sleeping = sender_of(async_sleep(1h)).connect(receiver{&slept, {}});
    sleeping.start();
    EXPECT_TRUE(slept.done.wait());
    EXPECT_FALSE(slept.error || slept.stopped || slept.threw);
  });
}

TEST_P(sender_adapter, sends_the_error_of_an_operation) {
  run([] {
    channel<int> numbers{0};
    numbers.close();
    heard outcome;
    auto state = sender_of(numbers.async_recv()).connect(receiver{&outcome, {}});
    state.start();
    EXPECT_TRUE(outcome.done.wait());
    EXPECT_EQ(outcome.error, errc::closed);
  });
}

TEST_P(sender_adapter, is_stopped_by_its_receivers_token_and_has_taken_nothing) {
  run([] {
    channel<int> numbers{0};
    std::stop_source foreign;
    heard outcome;
    auto state = sender_of(numbers.async_recv()).connect(receiver{&outcome, foreign.get_token()});
    state.start();
    EXPECT_TRUE(sleep(1s));
    foreign.request_stop();
    EXPECT_TRUE(outcome.done.wait());
    EXPECT_TRUE(outcome.stopped);
    EXPECT_FALSE(numbers.try_send(1)) << "nobody waits there any more";
  });
}

}  // namespace
}  // namespace weft
