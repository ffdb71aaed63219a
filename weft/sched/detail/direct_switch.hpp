#pragma once

#include <cstdint>

#include <weft/sched/detail/runnable.hpp>

// What a task with a stack of its own needs to hand its OS thread straight to the next one, without a way through the
// scheduler's loop, which would cost a second switch:
//
//   end_turn(by, task)      on the task's stack: its own code ends here. Returns who comes next, or null: the loop
//   (switch to the next one's stack, or to the loop's)
//   settle(by, task, how)   there, by whoever comes after: what became of the one that left
//   begin_turn(by, task)    there: the own code of the next one begins
//
// Between end_turn() and begin_turn() the seat does not change hands; see carrier.hpp.

namespace weft::sched {

/// Why a task's turn ended.
enum class leave_reason : std::uint8_t { parks, yields };

/// The next task that has a stack, taken from the seat's queue, to be begun by the caller; null when the loop has to be
/// gone through: to look outside, for a task of another kind, or because nothing is ready or the seat was lost.
/// Thread: the carrier, in the task that it runs.
[[nodiscard]] runnable* end_turn(carrier& by) noexcept;

/// Makes `outgoing`, whose state is saved, park, or queues it; from a successful park on it may be running elsewhere.
/// False: it was notified meanwhile and has to go on, now, since the carrier has no seat to queue it on.
/// Thread: the carrier, after the switch.
[[nodiscard]] bool settle(carrier& by, runnable& outgoing, leave_reason how) noexcept;

/// Thread: the carrier, on the stack of `task`.
void begin_turn(carrier& by, runnable& task) noexcept;

/// settle() and begin_turn(), where end_turn() gave `task`.
void begin_turn_after(carrier& by, runnable& outgoing, leave_reason how, runnable& task) noexcept;

/// After end_turn() gave null, or leave_own_code(), of a task that lets others run: whether it goes on at once, since
/// nothing else is ready on its seat nor is it time to look outside. Then its own code begins, with a turn of its own.
/// Thread: the carrier, in that task.
[[nodiscard]] bool continues_alone(carrier& by, runnable& task) noexcept;

}  // namespace weft::sched
