#pragma once

#include <type_traits>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/task/detail/task_base.hpp>
#include <weft/task/detail/task_side_record.hpp>

namespace weft {

namespace detail {
[[nodiscard]] const local_value* find_local(const void* key) noexcept;
}

/// A variable of which each task sees its own value: the nearest that it bound itself or that the task which spawned it
/// had bound then. Values do not change while they are bound, so that children may read them at the same time as their
/// parent and after it. Costs tasks nothing while no value is bound.
///
///   task_local<std::string> request{"none"};
///   …
///   task_local<std::string>::binding bound{request, id};
///   children.spawn([&] { log(request.get()); });
///
/// Thread: any; an OS thread has values of its own.
/// Lifetime: outlives its bindings: best a global.
template <class T>
class task_local {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>);

 public:
  /// `initial` is seen where none is bound.
  explicit task_local(T initial = {}) : initial_{std::move(initial)} {}
  task_local(const task_local&) = delete;
  task_local& operator=(const task_local&) = delete;

  /// The value in force for the calling task. Takes as long as there are bindings around it, of any variable.
  /// Lifetime: until the binding ends, or the task does.
  [[nodiscard]] const T& get() const noexcept {
    const auto* found = detail::find_local(this);
    return found ? static_cast<const holder*>(found)->value : initial_;
  }

  /// While it lives, the calling task, and tasks that it spawns meanwhile, for as long as they live, see `value`.
  /// Bindings end in the reverse order of their beginning.
  /// Throws std::bad_alloc.
  class [[nodiscard]] binding {
   public:
    binding(task_local& variable, T value)
        : side_record_{detail::side_record_of(detail::current_task())},
          holder_{new holder{&variable, side_record_.locals, std::move(value)}} {
      side_record_.locals = holder_;
    }
    ~binding() {
      WEFT_CHECK(side_record_.locals == holder_,
                 "bindings of task_locals end in the task that made them, the last one first");
      side_record_.locals = holder_->outer();
      if (side_record_.locals) side_record_.locals->share();
      detail::local_value::release(holder_);
    }
    binding(const binding&) = delete;
    binding& operator=(const binding&) = delete;

   private:
    detail::task_side_record& side_record_;
    detail::local_value* holder_;
  };

 private:
  struct holder final : detail::local_value {
    holder(const void* key, local_value* outer, T&& bound) : local_value{key, outer}, value{std::move(bound)} {}
    const T value;
  };

  const T initial_;
};

}  // namespace weft
