#include "trouble.hpp"

#include <exception>

#include <fmt/format.h>

namespace gallery {

void trouble::failed(std::string_view what, std::string_view why) noexcept {
  try {
    const auto now = std::chrono::steady_clock::now();
    auto line = fmt::format("{}: {}", what, why);
    const std::scoped_lock held(lock_);
    const bool is_new = line != what_;
    if (!is_new && now - told_ < silence) return;
    told_ = now;
    tell_(line);
    what_ = std::move(line);
    // relaxed: a hint that what_ is not empty, which the lock guards
    is_there_.store(true, std::memory_order_relaxed);
  } catch (const std::exception&) {  // no memory to say so
  }
}

std::optional<std::string> trouble::current() const {
  const std::scoped_lock held(lock_);
  if (what_.empty()) return std::nullopt;
  return what_;
}

void trouble::clear() noexcept {
  try {
    const std::scoped_lock held(lock_);
    if (what_.empty()) return;
    tell_(fmt::format("works again; before, {}", what_));
    what_.clear();
    // relaxed: as in failed()
    is_there_.store(false, std::memory_order_relaxed);
  } catch (const std::exception&) {  // told the next time
  }
}

}  // namespace gallery
