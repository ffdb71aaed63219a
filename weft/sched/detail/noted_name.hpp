#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

#include <weft/base/detail/spin_lock.hpp>

namespace weft::sched {

/// A copy of a task's name that outlives the task, cut where it is long.
/// Thread: any, at the same time.
class noted_name {
 public:
  void set(std::string_view name) noexcept {
    std::lock_guard guard{lock_};
    length_ = std::min(name.size(), text_.size());
    std::copy_n(name.begin(), length_, text_.begin());
  }
  /// Throws std::bad_alloc.
  [[nodiscard]] std::string get() const {
    decltype(text_) text;
    std::size_t length = 0;
    {
      std::lock_guard guard{lock_};
      text = text_;
      length = length_;
    }
    return {text.data(), length};
  }

 private:
  mutable base::spin_lock lock_;
  std::array<char, 64> text_{};
  std::size_t length_ = 0;
};

}  // namespace weft::sched
