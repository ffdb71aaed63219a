#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include <weft/sync/detail/allocate_cells.hpp>

namespace weft::detail {

/// Values, first in, first out, in memory that is made before they come: a ring of fixed size, or a chain of blocks.
/// Thread: one at a time; the channel brings the lock, and makes and frees blocks outside of it.
template <class T>
class value_queue {
  union cell {
    cell() noexcept {}
    ~cell() {}
    T value;
  };

  static constexpr std::size_t cells_in_block = sizeof(T) >= 512 ? 8 : 4096 / sizeof(T);

 public:
  /// A piece of the chain.
  struct block {
    cell cells[cells_in_block];
    std::unique_ptr<block> next;
  };

  /// A chain.
  value_queue() = default;
  /// A ring of `capacity` cells.
  explicit value_queue(std::size_t capacity)
      : ring_{capacity == 0 ? nullptr : allocate_cells<cell>("channel", capacity)}, last_{capacity} {}
  value_queue(const value_queue&) = delete;
  value_queue& operator=(const value_queue&) = delete;
  ~value_queue() {
    std::unique_ptr<block> emptied;
    for (std::optional<T> value; size_ != 0;) pop(value, emptied);
    // One by one: a long chain would destroy itself recursively.
    while (first_block_) first_block_ = std::move(first_block_->next);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// A chain that has no cell for the next value: add() a block first.
  [[nodiscard]] bool needs_block() const noexcept { return !ring_ && tail_ == last_ && !spare_; }
  void add(std::unique_ptr<block> fresh) noexcept { spare_ = std::move(fresh); }

  /// There is a cell: a ring is not full, a chain does not need a block.
  void push(T&& value) noexcept {
    if (tail_ == last_) next_cells();
    std::construct_at(&tail_cells()[tail_].value, std::move(value));
    ++tail_;
    ++size_;
  }

  /// There is a value, which is moved to `into`. A block that has become empty and is not kept goes to `emptied`, to be
  /// freed outside the lock.
  void pop(std::optional<T>& into, std::unique_ptr<block>& emptied) noexcept {
    if (leaves_block()) leave_block(emptied);
    pop(into);
  }

  /// A chain whose next value lies in the block after the first one.
  [[nodiscard]] bool leaves_block() const noexcept { return !ring_ && head_ == last_; }
  /// pop() that leaves no block.
  void pop(std::optional<T>& into) noexcept {
    if (head_ == last_) head_ = 0;
    auto& from = head_cells()[head_].value;
    into.emplace(std::move(from));
    std::destroy_at(&from);
    ++head_;
    --size_;
  }

 private:
  [[nodiscard]] cell* tail_cells() noexcept { return ring_ ? ring_.get() : last_block_->cells; }
  [[nodiscard]] cell* head_cells() noexcept { return ring_ ? ring_.get() : first_block_->cells; }

  void next_cells() noexcept {
    tail_ = 0;
    if (ring_) return;
    auto* added = spare_.get();
    (last_block_ ? last_block_->next : first_block_) = std::move(spare_);
    // The first block ever: receivers begin in it as well.
    if (!last_block_) head_ = 0;
    last_block_ = added;
    last_ = cells_in_block;
  }

  void leave_block(std::unique_ptr<block>& emptied) noexcept {
    head_ = 0;
    auto left = std::move(first_block_);
    first_block_ = std::move(left->next);
    (spare_ ? emptied : spare_) = std::move(left);
  }

  std::unique_ptr<cell[]> ring_;
  std::unique_ptr<block> first_block_, spare_;
  block* last_block_ = nullptr;
  std::size_t last_ = 0;             // as many cells as a ring, or a block, has
  std::size_t head_ = 0, tail_ = 0;  // the next cell to take from, in the first block, and to put into, in the last
  std::size_t size_ = 0;
};

}  // namespace weft::detail
