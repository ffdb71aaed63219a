#pragma once

#include <cstddef>

#include <weft/base/check.hpp>

namespace weft::base {

/// What an element of an `intrusive_list` derives from. An element is in one list at a time.
struct list_hook {
  list_hook* previous = nullptr;
  list_hook* next = nullptr;

  list_hook() = default;
  list_hook(const list_hook&) = delete;
  list_hook& operator=(const list_hook&) = delete;

  [[nodiscard]] bool is_linked() const noexcept { return next != nullptr; }
};

/// A doubly linked list that allocates nothing: the elements carry the links. All members are O(1) but for_each().
/// Thread: one at a time; the owner brings the lock.
/// Lifetime: an element is unlinked before it is destroyed.
template <class T>
class intrusive_list {
 public:
  intrusive_list() noexcept { head_.previous = head_.next = &head_; }
  intrusive_list(const intrusive_list&) = delete;
  intrusive_list& operator=(const intrusive_list&) = delete;

  [[nodiscard]] bool empty() const noexcept { return head_.next == &head_; }
  [[nodiscard]] T* front() noexcept { return empty() ? nullptr : static_cast<T*>(head_.next); }

  [[nodiscard]] T* back() noexcept { return empty() ? nullptr : static_cast<T*>(head_.previous); }

  /// The element after `element`, or null when that is the last.
  [[nodiscard]] T* next(T& element) noexcept {
    list_hook* after = static_cast<list_hook&>(element).next;
    return after == &head_ ? nullptr : static_cast<T*>(after);
  }

  void push_back(T& element) noexcept {
    list_hook& hook = element;
    WEFT_ASSERT(!hook.is_linked());
    hook.previous = head_.previous;
    hook.next = &head_;
    head_.previous->next = &hook;
    head_.previous = &hook;
  }

  void push_front(T& element) noexcept {
    list_hook& hook = element;
    WEFT_ASSERT(!hook.is_linked());
    hook.next = head_.next;
    hook.previous = &head_;
    head_.next->previous = &hook;
    head_.next = &hook;
  }

  /// The oldest element, taken out; null when empty.
  T* pop_front() noexcept {
    T* first = front();
    if (first) remove(*first);
    return first;
  }

  /// Moves all elements of `other` behind its own.
  void append(intrusive_list& other) noexcept {
    if (other.empty()) return;
    auto &first = *other.head_.next, &last = *other.head_.previous;
    first.previous = head_.previous;
    head_.previous->next = &first;
    last.next = &head_;
    head_.previous = &last;
    other.head_.previous = other.head_.next = &other.head_;
  }

  /// Calls `f` with each element, the oldest first. `f` does not change the list. O(n).
  template <class F>
  void for_each(F f) {
    for (auto* hook = head_.next; hook != &head_; hook = hook->next) f(*static_cast<T*>(hook));
  }

  /// Takes `element` out of whichever list it is in.
  static void remove(T& element) noexcept {
    list_hook& hook = element;
    WEFT_ASSERT(hook.is_linked());
    hook.previous->next = hook.next;
    hook.next->previous = hook.previous;
    hook.previous = hook.next = nullptr;
  }

 private:
  list_hook head_;
};

}  // namespace weft::base
