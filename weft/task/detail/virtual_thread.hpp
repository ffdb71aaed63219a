#pragma once

#include <cstddef>
#include <functional>
#include <new>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <weft/sched/detail/direct_switch.hpp>
#include <weft/stack/detail/context.hpp>
#include <weft/stack/detail/stack_pool.hpp>
#include <weft/task/detail/outcome.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft::detail {

struct carrier_flow;
class virtual_thread;

/// Where a virtual thread goes on, in place of a seat, while it has one: see compute_placement.
class ready_queue {
 public:
  /// Around each wait of the thread. By the thread.
  virtual void wait_begins() noexcept = 0;
  virtual void wait_is_over() noexcept = 0;
  /// The thread can go on. Any thread.
  virtual void push(virtual_thread& ready) noexcept = 0;

 protected:
  ~ready_queue() = default;
};

/// A task with a stack of its own. Its control block lies at the top of that stack, so that a fresh one touches one
/// page; the stack goes back to its pool when the last reference is gone.
class virtual_thread : public task_base {
 public:
  void resume(sched::carrier& by) noexcept final;
  void park(time_point deadline) noexcept final;
  void yield() noexcept final;
  /// By default to a seat; while it computes, to the compute carriers.
  void make_ready() noexcept final;

  /// While it computes, where it goes on; else null: on a seat. The task itself, and whoever resumes it.
  [[nodiscard]] ready_queue* own_queue() const noexcept { return own_queue_; }
  /// From now on it goes on there; what runs it at present stays until it leaves.
  void set_own_queue(ready_queue* queue) noexcept { own_queue_ = queue; }
  /// Goes on on a compute carrier, or on a seat, wherever it belongs now.
  void migrate() noexcept { yield(); }
  /// Whether a compute carrier runs it.
  [[nodiscard]] bool is_on_compute_carrier() const noexcept;

  /// See context::lowest_live().
  [[nodiscard]] const std::byte* lowest_live() const noexcept { return context_.lowest_live(); }

  /// Whoever holds it in a wait that parked: where it will go on, and who called that, innermost first. Writes at most
  /// `capacity` addresses and returns how many.
  std::size_t backtrace(void** addresses, std::size_t capacity) const noexcept;

  /// Any thread.
  [[nodiscard]] bool runs_on(const stack::slot& slot) const noexcept { return &slot == &slot_; }
  /// Any thread: the stack that it runs on.
  [[nodiscard]] const stack::slot& own_stack() const noexcept { return slot_; }

 protected:
  virtual_thread(sched::scheduler* home, std::source_location site, stack::slot& slot) noexcept
      : task_base{task_kind::virtual_thread, home, site, has_stack::yes}, slot_{slot} {}

  /// Makes the flow that will run body() below `stack_top`.
  void prepare(std::byte* stack_top) noexcept;

  [[nodiscard]] stack::slot& slot() noexcept { return slot_; }

  /// After the last instruction on a stack that is measured.
  void note_stack_use() noexcept;

 private:
  enum class leaving : std::uint8_t { parking, yielding, computing, ending };

  virtual void body() noexcept = 0;
  /// Ends the life of what the function returned, when nobody can ask for it.
  virtual void discard_value() noexcept = 0;
  static void enter(void* self);
  void leave(leaving why) noexcept;
  [[nodiscard]] stack::context& prepare_switch_to(sched::runnable* ready) noexcept;
  void arrive() noexcept;
  [[nodiscard]] bool finish_leaving(sched::carrier& by) noexcept;
  [[nodiscard]] sched::leave_reason leave_reason() const noexcept {
    return why_ == leaving::parking ? sched::leave_reason::parks : sched::leave_reason::yields;
  }

  stack::context context_;
  carrier_flow* flow_ = nullptr;           // set by who switches to it, valid until it leaves
  virtual_thread* predecessor_ = nullptr;  // who left in favour of this one, and is to be settled
  ready_queue* own_queue_ = nullptr;       // published by what makes the task ready
  stack::slot& slot_;
  leaving why_ = leaving::parking;
};

/// A virtual thread that calls an F and keeps what it returns.
template <class T, class F>
class spawned_virtual_thread final : public virtual_thread {
 public:
  /// The bytes that it takes at the top of its stack at the most: what it calls, and what that returns, lie there.
  [[nodiscard]] static constexpr std::size_t most_bytes() noexcept {
    return sizeof(spawned_virtual_thread) + alignment();
  }

  /// Made at the top of `slot`, which has room for it.
  template <class G>
  static spawned_virtual_thread& make(sched::scheduler* home, std::source_location site, stack::slot& slot, G&& f) {
    constexpr auto alignment = spawned_virtual_thread::alignment();
    auto top = reinterpret_cast<std::uintptr_t>(slot.top());
    auto address = (top - sizeof(spawned_virtual_thread)) / alignment * alignment;
    auto* place = slot.top() - (top - address);
    auto* made = new (place) spawned_virtual_thread{home, site, slot, std::forward<G>(f)};
    made->prepare(place);
    slot.occupy(static_cast<virtual_thread*>(made));
    return *made;
  }

  [[nodiscard]] outcome<T>& result() noexcept { return outcome_; }
  [[nodiscard]] const std::exception_ptr& thrown() const noexcept override { return outcome_.error(); }

 private:
  static constexpr std::size_t alignment() noexcept {
    return alignof(spawned_virtual_thread) > 64 ? alignof(spawned_virtual_thread) : std::size_t{64};
  }

  template <class G>
  spawned_virtual_thread(sched::scheduler* home, std::source_location site, stack::slot& slot, G&& f)
      : virtual_thread{home, site, slot}, function_{std::in_place, std::forward<G>(f)} {}

  void body() noexcept override {
    outcome_.run(std::move(*function_));
    function_.reset();  // what it captured ends with the task, not with the last handle
  }

  void discard_value() noexcept override { outcome_.discard_value(); }

  void destroy() noexcept override {
    auto& pool_slot = slot();
    if (pool_slot.is_measured()) [[unlikely]]
      note_stack_use();
    pool_slot.vacate();
    this->~spawned_virtual_thread();
    pool_slot.pool().release(&pool_slot);
  }

  std::optional<F> function_;
  outcome<T> outcome_;
};

}  // namespace weft::detail
