#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// Stands for void where a value is needed.
struct unit {};

template <class T>
using value_or_unit = std::conditional_t<std::is_void_v<T>, unit, T>;

/// What a task has returned or thrown.
/// Thread: the task until it has ended, then whoever joins it.
template <class T>
class outcome {
  static constexpr bool is_reference = std::is_reference_v<T>;

 public:
  /// Calls `f` and keeps what it returns or throws.
  template <class F>
  void run(F&& f) noexcept {
    try {
      if constexpr (std::is_void_v<T>) {
        std::invoke(std::forward<F>(f));
        value_.emplace();
      } else if constexpr (is_reference) {
        auto&& given = std::invoke(std::forward<F>(f));
        value_.emplace(std::addressof(given));
      } else {
        value_.emplace(std::invoke(std::forward<F>(f)));
      }
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  template <class... Args>
  void set_value(Args&&... args) {
    if constexpr (is_reference) {
      value_.emplace(std::addressof(args)...);
    } else {
      value_.emplace(std::forward<Args>(args)...);
    }
  }
  void set_error(std::exception_ptr error) noexcept { error_ = std::move(error); }

  /// Ends the life of the value. What was thrown stays.
  void discard_value() noexcept { value_.reset(); }

  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }

  /// Returns the value, moved out, or throws what was thrown. Once.
  T take() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    if constexpr (is_reference) {
      return static_cast<T>(**value_);
    } else if constexpr (!std::is_void_v<T>) {
      return std::move(*value_);
    }
  }

 private:
  std::optional<std::conditional_t<is_reference, std::add_pointer_t<T>, value_or_unit<T>>> value_;
  std::exception_ptr error_;
};

}  // namespace weft::detail
