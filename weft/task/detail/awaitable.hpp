#pragma once

#include <coroutine>
#include <type_traits>
#include <utility>

// What a program meant that hands something else than an operation to where weft takes one: a static_assert that names
// the way out, and a type with which the rest of the expression compiles, so that it stays the only error.
namespace weft::detail {

/// Whether T is an operation: <weft/task/operation.hpp> says so.
template <class T>
inline constexpr bool awaited_operation = false;

/// What the language lets a coroutine await. Only of a class or an enumeration is an operator asked: Clang takes the
/// question for an error elsewhere.
template <class T>
concept awaitable_by_itself = requires(T&& given) { given.await_ready(); } ||
                              requires(T&& given) { static_cast<T&&>(given).operator co_await(); } ||
                              ((std::is_class_v<std::remove_cvref_t<T>> || std::is_enum_v<std::remove_cvref_t<T>>) &&
                               requires(T&& given) { operator co_await(static_cast<T&&>(given)); });

/// What a coroutine of weft's may await: also an operation whose namespace knows nothing of weft's `operator co_await`.
template <class T>
concept awaitable = awaitable_by_itself<T> || awaited_operation<T>;

/// What the plain form of a call returns: std::expected, which is told by its names.
template <class T>
concept outcome_of_call = requires {
  typename T::unexpected_type;
  typename T::error_type;
};

/// False, once the compiler knows what was given.
template <class...>
inline constexpr bool never = false;

/// Stands for what cannot be awaited.
template <class T>
struct refused {
  [[nodiscard]] bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  T await_resume() const noexcept { std::unreachable(); }
};
template <class T>
struct value_awaited {
  using type = T;
};
template <class T>
  requires(awaitable<T> && requires { typename T::value_type; })
struct value_awaited<T> {
  using type = typename T::value_type;
};

/// `co_await` of a T: says what is wrong with it.
template <class T>
[[nodiscard]] auto refuse_to_await() noexcept {
  using given = std::remove_cvref_t<T>;
  if constexpr (outcome_of_call<given>) {
    static_assert(never<T>,
                  "co_await takes an operation, x.async_f(), as in `co_await channel.async_recv()` or `co_await "
                  "weft::async_sleep(1s)`: the plain form, x.f(), waits by itself, and blocks the carrier here");
  } else if constexpr (awaitable<given>) {
    static_assert(never<T>, "it is awaited once: co_await std::move(x)");
  } else {
    static_assert(never<T>, "co_await takes an operation, x.async_f(), a weft::task, or a join_handle");
  }
  return refused<typename value_awaited<given>::type>{};
}

}  // namespace weft::detail
