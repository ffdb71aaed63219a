#include <weft/compute/detail/fork_frame.hpp>

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

namespace weft::detail {

void fork_root::keep(const fork_frame& frame, std::exception_ptr error) noexcept {
  std::lock_guard guard{mutex_};
  auto same = [&](const failure& each) { return each.frame == &frame; };
  if (std::ranges::any_of(failures_, same)) {
    if (error && !only_says_stopped(error)) ++lost_;
    return;
  }
  try {
    failures_.push_back({&frame, std::move(error)});
  } catch (const std::bad_alloc&) {
    ++lost_;  // take() finds nothing, and the frame throws std::bad_alloc
  }
}

void fork_root::hand_over(const fork_frame& from, const fork_frame& to) noexcept {
  std::lock_guard guard{mutex_};
  auto same_as = [](const fork_frame& frame) { return [&](const failure& each) { return each.frame == &frame; }; };
  auto handed = std::ranges::find_if(failures_, same_as(from));
  if (handed == failures_.end()) return;
  if (std::ranges::none_of(failures_, same_as(to))) {
    handed->frame = &to;
    return;
  }
  if (handed->error && !only_says_stopped(handed->error)) ++lost_;
  failures_.erase(handed);
}

std::exception_ptr fork_root::take(const fork_frame& frame) noexcept {
  std::lock_guard guard{mutex_};
  auto found = std::ranges::find_if(failures_, [&](const failure& each) { return each.frame == &frame; });
  std::exception_ptr error;
  if (found != failures_.end()) {
    error = std::move(found->error);
    failures_.erase(found);
  }
  return error ? error : refusal();
}

bool fork_root::fail(std::exception_ptr error) noexcept {
  std::lock_guard guard{mutex_};
  if (only_says_stopped(error)) {
    left_out_ = true;
    return false;
  }
  if (given_up_with_) {
    ++lost_;
    return false;
  }
  given_up_with_ = std::move(error);
  return true;
}

std::exception_ptr fork_root::outcome(std::exception_ptr error) const noexcept {
  std::lock_guard guard{mutex_};
  if (given_up_with_) return given_up_with_;
  return error || !left_out_ ? error : refusal();
}

bool fork_root::only_says_stopped(const std::exception_ptr& error) const noexcept {
  auto why = stopped();
  if (why == 0) return false;
  try {
    std::rethrow_exception(error);
  } catch (const std::system_error& said) {
    return said.code() == static_cast<errc>(why);
  } catch (...) {
    return false;
  }
}

std::exception_ptr fork_root::refusal() const noexcept {
  auto why = stopped();
  return why != 0 ? std::make_exception_ptr(std::system_error{static_cast<errc>(why)})
                  : std::make_exception_ptr(std::bad_alloc{});
}

}  // namespace weft::detail
