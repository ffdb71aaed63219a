#pragma once

#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <version>

#if defined(__cpp_lib_senders)
#include <execution>
#endif

#include <weft/base/error.hpp>
#include <weft/combine/detail/select_machine.hpp>
#include <weft/combine/with_stop_token.hpp>
#include <weft/task/detail/host.hpp>
#include <weft/task/operation.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/stop_token.hpp>
#include <weft/task/task.hpp>

namespace weft {

/// Whether the standard library has senders (C++26). Without, this header offers nothing but what it is made of.
#if defined(__cpp_lib_senders)
inline constexpr bool has_senders = true;
#else
inline constexpr bool has_senders = false;
#endif

namespace detail {

/// An operation that says whether it succeeded, and with what.
template <class Op>
concept sendable = leavable<Op> && requires(typename Op::value_type& outcome) {
  { outcome.has_value() } -> std::convertible_to<bool>;
  outcome.error();
};

/// An operation as the sender of `Library`, which stands for std::execution: it has `sender_concept`,
/// `operation_state_concept`, `signatures<Value, Error>`, set_value(), set_error() and set_stopped() on a receiver, and
/// `on_stop<F>{receiver, f}`, which calls f when the receiver's stop is requested, until it is destroyed.
///
/// The operation is carried out by a coroutine of the runtime in which the sender was made, whose frame comes from
/// weft's caches; there the receiver is completed. A stop that is requested ends the wait.
template <class Library, sendable Op>
class basic_sender {
  using outcome = typename Op::value_type;
  using value = typename outcome::value_type;

 public:
  using sender_concept = typename Library::sender_concept;
  using completion_signatures = typename Library::template signatures<value, typename outcome::error_type>;

  basic_sender(host& home, Op&& op) : home_{home}, op_{std::move(op)} {}

  template <class Receiver>
  class state {
   public:
    using operation_state_concept = typename Library::operation_state_concept;
    state(host& home, Op&& op, Receiver&& receiver) : home_{home}, op_{std::move(op)}, receiver_{std::move(receiver)} {}
    state(state&&) = delete;

    void start() & noexcept {
      on_stop_.emplace(receiver_, request_stop{&stop_});
      auto driver = make_task(home_, {.name = "sender"}, std::source_location::current(), drive());
      home_.keep_until_end(*driver.task);
      home_.schedule_last(*driver.task);
    }

   private:
    struct request_stop {
      std::stop_source* source;
      void operator()() const noexcept { source->request_stop(); }
    };

    // The receiver may destroy the state: nothing is touched after its completion.
    task<> drive() {
      std::optional<outcome> done;
      std::exception_ptr thrown;
      try {
        done.emplace(co_await with_stop_token(std::move(op_), stop_.get_token()));
      } catch (...) {
        thrown = std::current_exception();
      }
      on_stop_.reset();
      if (thrown) {
        Library::set_error(std::move(receiver_), std::move(thrown));
      } else if (!done->has_value()) {
        if (is_cancelled(done->error())) {
          Library::set_stopped(std::move(receiver_));
        } else {
          Library::set_error(std::move(receiver_), std::move(done->error()));
        }
      } else if constexpr (std::is_void_v<value>) {
        Library::set_value(std::move(receiver_));
      } else {
        Library::set_value(std::move(receiver_), std::move(**done));
      }
    }

    template <class Error>
    [[nodiscard]] static bool is_cancelled(const Error& error) noexcept {
      if constexpr (std::convertible_to<const Error&, std::error_code>) {
        return error == errc::cancelled;
      } else {
        return error.reason == errc::cancelled;
      }
    }

    host& home_;
    Op op_;
    Receiver receiver_;
    std::stop_source stop_;
    std::optional<typename Library::template on_stop<request_stop>> on_stop_;
  };

  template <class Receiver>
  [[nodiscard]] state<Receiver> connect(Receiver receiver) && {
    return {home_, std::move(op_), std::move(receiver)};
  }

 private:
  host& home_;
  Op op_;
};

#if defined(__cpp_lib_senders)
struct std_execution {
  using sender_concept = std::execution::sender_t;
  using operation_state_concept = std::execution::operation_state_t;

  template <class Value, class Error>
  struct signatures_of {
    using type =
        std::execution::completion_signatures<std::execution::set_value_t(Value), std::execution::set_error_t(Error),
                                              std::execution::set_error_t(std::exception_ptr),
                                              std::execution::set_stopped_t()>;
  };
  template <class Error>
  struct signatures_of<void, Error> {
    using type =
        std::execution::completion_signatures<std::execution::set_value_t(), std::execution::set_error_t(Error),
                                              std::execution::set_error_t(std::exception_ptr),
                                              std::execution::set_stopped_t()>;
  };
  template <class Value, class Error>
  using signatures = typename signatures_of<Value, Error>::type;

  template <class Receiver, class... Value>
  static void set_value(Receiver&& receiver, Value&&... value) {
    std::execution::set_value(std::forward<Receiver>(receiver), std::forward<Value>(value)...);
  }
  template <class Receiver, class Error>
  static void set_error(Receiver&& receiver, Error&& error) {
    std::execution::set_error(std::forward<Receiver>(receiver), std::forward<Error>(error));
  }
  template <class Receiver>
  static void set_stopped(Receiver&& receiver) {
    std::execution::set_stopped(std::forward<Receiver>(receiver));
  }

  template <class F>
  class on_stop {
   public:
    template <class Receiver>
    on_stop(const Receiver& receiver, F f) {
      auto token = std::get_stop_token(std::execution::get_env(receiver));
      using callback = std::stop_callback_for_t<decltype(token), F>;
      held_ = std::make_unique<holder<callback>>(std::move(token), std::move(f));
    }

   private:
    struct any_holder {
      virtual ~any_holder() = default;
    };
    template <class Callback>
    struct holder final : any_holder {
      template <class Token>
      holder(Token token, F f) : callback{std::move(token), std::move(f)} {}
      Callback callback;
    };
    std::unique_ptr<any_holder> held_;
  };
};
#endif

}  // namespace detail

#if defined(__cpp_lib_senders)
/// `op` as a sender of std::execution: sends the value, the error, or that it was stopped. Completes its receiver in a
/// task of the runtime in which it was made.
/// Cancel: a stop of the receiver's token ends the wait; nothing was taken.
/// Thread: made inside a task; started anywhere.
/// Lifetime: the runtime outlives it.
template <detail::sendable Op>
[[nodiscard]] auto as_sender(Op op) {
  return detail::basic_sender<detail::std_execution, Op>{detail::host_to_spawn_in(), std::move(op)};
}
#endif

}  // namespace weft
