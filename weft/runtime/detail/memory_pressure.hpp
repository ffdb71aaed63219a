#pragma once

#include <functional>
#include <thread>

namespace weft::detail {

/// Calls a function, on a thread of its own, whenever tasks of the machine, or of the control group, wait because
/// memory is short: for more than a tenth of a second within two. The thread sleeps in between: no tick. Source: the
/// kernel's documentation, "PSI - Pressure Stall Information"; the window is the shortest that it lets a process
/// without privilege choose.
/// Thread: owner.
class memory_pressure {
 public:
  memory_pressure() = default;
  ~memory_pressure() { stop(); }
  memory_pressure(const memory_pressure&) = delete;
  memory_pressure& operator=(const memory_pressure&) = delete;

  /// Begins to wait for what the kernel says. Does nothing where the kernel does not say (is_watching()): it has no
  /// PSI, or keeps it from this process.
  void start(std::function<void()> relieve);

  /// The same for any descriptor that reports its event as POLLPRI; takes it over, and closes it.
  void start(int descriptor, std::function<void()> relieve);

  /// Joins the thread. The function may be called until this returns.
  void stop() noexcept;

  [[nodiscard]] bool is_watching() const noexcept { return thread_.joinable(); }

 private:
  int descriptor_ = -1, stop_event_ = -1;
  std::thread thread_;
};

}  // namespace weft::detail
