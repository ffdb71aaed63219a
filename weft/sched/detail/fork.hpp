#pragma once

namespace weft::sched {

// A child of fork() has one thread, the one that called it. Were that a carrier's, the child would go on to run the
// tasks that its parent runs as well; were it another, it would wait for carriers that do not exist. So a child that
// was made while weft had threads is told so, by the end of the program, where it would first need one: when it waits,
// spawns or starts a runtime. It may exec() or _exit(). One that was made before, or after, may do anything.

/// Whoever has OS threads of weft's, while it lives.
class thread_owner {
 public:
  /// Ends the program as check_threads_exist() does.
  thread_owner();
  ~thread_owner();
  thread_owner(const thread_owner&) = delete;
  thread_owner& operator=(const thread_owner&) = delete;
};

/// Whether the process is a child of fork() that was made while a thread_owner existed.
/// Thread: any.
[[nodiscard]] bool lost_its_threads() noexcept;

/// Ends the program, with a message, if it lost its threads.
/// Thread: any.
void check_threads_exist() noexcept;

}  // namespace weft::sched
