#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <weft/base/accounting.hpp>
#include <weft/base/clock.hpp>
#include <weft/base/result.hpp>
#include <weft/sched/detail/runnable.hpp>

namespace weft::detail {

class descriptor;

/// Which side of a descriptor an operation waits for.
enum class direction : std::uint8_t { receive, send };

/// Names one life of a descriptor, without keeping it open: after close() it is merely out of date, even when the
/// system gives the same number to another descriptor.
class descriptor_reference {
 public:
  descriptor_reference() noexcept = default;
  descriptor_reference(descriptor& entry, std::uint32_t generation) noexcept
      : entry_{&entry}, generation_{generation} {}

  /// Registers `node` to be woken when `side` becomes ready or the descriptor is closed. True when it is already, and
  /// the node claimed.
  [[nodiscard]] bool arm(direction side, sched::wait_node& node);
  void disarm(sched::wait_node& node) noexcept;

  /// Waits in place, on an OS thread, until `side` is ready or the descriptor is closed. Fails with errc::timed_out.
  [[nodiscard]] result<void> block(direction side, time_point deadline);
  /// The same until either side is ready.
  [[nodiscard]] result<void> block_for_either(time_point deadline);

  /// Keeps the number from being closed until end_use(). Empty: it was closed.
  [[nodiscard]] std::optional<int> begin_use() noexcept;
  void end_use() noexcept;

  /// Wakes everybody who waits, lets nobody in any more, and gives the descriptor back to the system once the last
  /// call that uses it has returned.
  void close() noexcept;

 private:
  friend class descriptor_use;
  [[nodiscard]] result<void> poll_in_place(short events, time_point deadline);

  descriptor* entry_ = nullptr;
  std::uint32_t generation_ = 0;
};

/// A reference that closes at the end of its life.
class owned_descriptor {
 public:
  owned_descriptor() noexcept = default;
  explicit owned_descriptor(descriptor_reference reference) noexcept : reference_{reference} {}
  owned_descriptor(owned_descriptor&& other) noexcept : reference_{std::exchange(other.reference_, {})} {}
  owned_descriptor& operator=(owned_descriptor&& other) noexcept {
    if (this != &other) {
      reference_.close();
      reference_ = std::exchange(other.reference_, {});
    }
    return *this;
  }
  ~owned_descriptor() { reference_.close(); }

  [[nodiscard]] descriptor_reference get() const noexcept { return reference_; }

 private:
  descriptor_reference reference_;
};

/// The part that all operations on non-blocking descriptors share. `Operation` has `bool attempt()`, which makes the
/// system call and stores the outcome, or returns false when it would have to wait.
template <class Operation, direction Side>
class descriptor_operation {
 public:
  static constexpr wait_kind kind = wait_kind::socket;

  [[nodiscard]] bool try_complete() { return self().attempt(); }

  [[nodiscard]] bool arm(sched::wait_node& node) { return reference_.arm(Side, node); }
  void disarm(sched::wait_node& node) noexcept { reference_.disarm(node); }

  [[nodiscard]] bool finish() { return self().attempt(); }

  /// On a plain OS thread.
  [[nodiscard]] auto block(time_point deadline) {
    while (!self().attempt()) {
      if (auto ready = reference_.block(Side, deadline); !ready) {
        return typename Operation::value_type{std::unexpected{ready.error()}};
      }
    }
    return self().take();
  }

 protected:
  explicit descriptor_operation(descriptor_reference reference) noexcept : reference_{reference} {}
  descriptor_reference reference_;

 private:
  [[nodiscard]] Operation& self() noexcept { return static_cast<Operation&>(*this); }
};

}  // namespace weft::detail
