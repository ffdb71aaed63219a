#include "weft/base/detail/thread_index.hpp"

#include <algorithm>
#include <functional>
#include <mutex>
#include <new>
#include <vector>

namespace weft::base {
namespace {

/// Who gives the numbers out. Never destroyed: threads end after static objects do.
class numbers {
 public:
  [[nodiscard]] std::size_t take() noexcept {
    std::lock_guard guard{mutex_};
    if (free_.empty()) return next_++;
    std::ranges::pop_heap(free_, std::greater{});
    auto number = free_.back();
    free_.pop_back();
    return number;
  }

  void give_back(std::size_t number) noexcept {
    std::lock_guard guard{mutex_};
    try {
      free_.push_back(number);
      std::ranges::push_heap(free_, std::greater{});
    } catch (const std::bad_alloc&) {
      // The number is lost: there are enough.
    }
  }

  [[nodiscard]] static numbers& all() noexcept {
    static auto& instance = *new numbers;
    return instance;
  }

 private:
  std::mutex mutex_;  // guards all below; orders a number's next owner after the one before
  std::size_t next_ = 0;
  std::vector<std::size_t> free_;  // a heap, the smallest first
};

constexpr std::size_t none = ~std::size_t{0};
thread_local constinit std::size_t own_number = none;
thread_local constinit bool thread_ends = false;

[[gnu::noinline]] std::size_t take_number() noexcept {
  struct holder {
    std::size_t number = numbers::all().take();
    ~holder() {
      own_number = none;
      thread_ends = true;
      numbers::all().give_back(number);
    }
  };
  if (thread_ends) return none;  // a destructor of the thread's that runs late: larger than any table
  static thread_local holder held;
  return own_number = held.number;
}

}  // namespace

[[gnu::noinline]] std::size_t thread_index() noexcept {
  asm volatile("" ::: "memory");
  auto number = own_number;
  if (number == none) [[unlikely]]
    number = take_number();
  return number;
}

}  // namespace weft::base
