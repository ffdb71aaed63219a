#pragma once

#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include <weft/runtime/runtime.hpp>
#include <weft/task/spawn.hpp>

namespace gallery {

/// Something that runs beside the requests for as long as it lives: a virtual thread where there is a runtime, an OS
/// thread where there is none. Whoever owns it first makes it end.
class background {
 public:
  /// `name` is a literal.
  background(std::string_view name, std::function<void()> body) {
    if (weft::runtime::current()) {
      task_.emplace(weft::spawn(weft::spawn_options{.name = name}, std::move(body)));
    } else {
      thread_ = std::thread(std::move(body));
    }
  }
  background(const background&) = delete;
  background& operator=(const background&) = delete;
  ~background() { join(); }

  /// Waits until it has ended. Again: no effect.
  void join() {
    if (task_ && task_->joinable()) task_->join();
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::optional<weft::join_handle<void>> task_;
  std::thread thread_;
};

}  // namespace gallery
