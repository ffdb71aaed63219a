#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weft/base/check.hpp>
#include <weft/base/error.hpp>
#include <weft/sync/detail/allocate_cells.hpp>
#include <weft/sync/detail/wait_list.hpp>
#include <weft/task/operation.hpp>

namespace weft::detail {

/// The last values of a sequence, and those who wait for the next one. Each reader has a position of its own, the
/// number of the value that it reads next; whoever publishes waits for none of them.
/// Thread: any.
/// Order: what was done before publish() is visible to whoever reads that value.
template <class T>
class broadcast_ring {
  static_assert(std::is_nothrow_copy_constructible_v<T> && std::is_nothrow_move_constructible_v<T> &&
                    std::is_nothrow_destructible_v<T>,
                "values are copied while a lock is held: publish a std::shared_ptr<const T> to a type that may throw");

 public:
  using wait_operation = gate_wait<broadcast_ring>;
  static constexpr std::string_view what = "broadcast";

  explicit broadcast_ring(std::size_t kept)
      : kept_{kept}, cells_{allocate_cells<std::optional<T>>("broadcast", kept)} {}
  ~broadcast_ring() {
    queue_.check_nobody_waits("a broadcast is destroyed when nobody waits for its next value", "broadcast", this);
  }

  /// False, and `value` is where it was, after close().
  [[nodiscard]] bool publish(T& value) noexcept {
    bool published = false;
    std::optional<T> overwritten;  // ends after the lock was let go
    queue_.wake_all_if([&] {
      // relaxed, both: written under the lock
      if (closed_.load(std::memory_order_relaxed)) return false;
      const auto number = next_.load(std::memory_order_relaxed);
      auto& cell = cells_[number % kept_];
      if (cell) overwritten.emplace(std::move(*cell));
      cell.emplace(std::move(value));
      // release: to is_open(), which tells of it; the value itself is read under the lock
      next_.store(number + 1, std::memory_order_release);
      return published = true;
    });
    return published;
  }

  void close() noexcept {
    queue_.wake_all_if([&] {
      // release: publishes what was done before, to is_open()
      closed_.store(true, std::memory_order_release);
      return true;
    });
  }

  /// The number that the next value will have.
  [[nodiscard]] std::uint64_t next() const noexcept {
    // acquire: comes after what was done before the values up to there
    return next_.load(std::memory_order_acquire);
  }

  /// What a reader finds.
  struct news {
    std::optional<T> value;  ///< none when there is nothing new, or when values were lost
    std::uint64_t lost = 0;  ///< so many are not there any more that it has not read
    bool closed = false;     ///< nothing new will come
  };
  /// The value that the reader reads next, and moves `position` on; or how many it has lost, and moves it on past them.
  [[nodiscard]] news read(std::uint64_t& position) noexcept {
    return queue_.locked([&] {
      news found;
      // relaxed, both: written under the lock
      const auto next = next_.load(std::memory_order_relaxed);
      if (position == next) {
        found.closed = closed_.load(std::memory_order_relaxed);
      } else if (next - position > kept_) {
        found.lost = next - position - kept_;
        position += found.lost;
      } else {
        found.value = cells_[position++ % kept_];
      }
      return found;
    });
  }

  /// Waits until there is a value with number `position`, or there will be none.
  [[nodiscard]] wait_operation async_wait_for(std::uint64_t position) noexcept {
    return wait_operation{*this, position};
  }

 private:
  friend wait_operation;
  [[nodiscard]] bool is_open(std::uint64_t position) const noexcept {
    // acquire, both: sees what was done before publish() or close()
    return next_.load(std::memory_order_acquire) != position || closed_.load(std::memory_order_acquire);
  }

  std::size_t kept_;
  std::unique_ptr<std::optional<T>[]> cells_;  // guarded by the queue's lock
  std::atomic<std::uint64_t> next_{0};         // written under the queue's lock
  std::atomic<bool> closed_{false};            // written under the queue's lock
  wait_queue queue_;
};

/// A wait for the next value of a reader, which `Reader::read()` reads once there is one; that is where its outcome
/// comes from. Whatever ends the wait otherwise leaves the reader where it was.
template <class T, class Reader>
class reading_operation : public broadcast_ring<T>::wait_operation {
 public:
  using value_type = typename Reader::value_type;
  static constexpr wait_kind kind = wait_kind::channel;
  explicit reading_operation(Reader& reader) noexcept
      : broadcast_ring<T>::wait_operation{reader.wait()}, reader_{&reader} {}

  value_type take() { return reader_->read(); }
  static value_type fail(errc condition) { return Reader::failure_of(condition); }

 private:
  Reader* reader_;
};

}  // namespace weft::detail
