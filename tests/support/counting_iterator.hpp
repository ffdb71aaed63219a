#pragma once

#include <compare>
#include <cstddef>
#include <functional>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace weft::testing {

using element_body = std::function<void(std::size_t)>;

/// What the iterators below have in common: a number, and all that a random access iterator does with it.
template <class Self>
class numbered_iterator {
 public:
  using difference_type = std::ptrdiff_t;
  using iterator_category = std::random_access_iterator_tag;

  Self& operator+=(difference_type by) { return at_ += static_cast<std::size_t>(by), moved(); }
  Self& operator-=(difference_type by) { return at_ -= static_cast<std::size_t>(by), moved(); }
  Self& operator++() { return *this += 1; }
  Self& operator--() { return *this -= 1; }
  Self operator++(int) { return std::exchange(self(), self() + 1); }
  Self operator--(int) { return std::exchange(self(), self() - 1); }
  friend Self operator+(Self i, difference_type by) { return i += by; }
  friend Self operator+(difference_type by, Self i) { return i += by; }
  friend Self operator-(Self i, difference_type by) { return i -= by; }
  friend difference_type operator-(const Self& a, const Self& b) { return static_cast<difference_type>(a.at_ - b.at_); }
  friend bool operator==(const Self& a, const Self& b) { return a.at_ == b.at_; }
  friend auto operator<=>(const Self& a, const Self& b) { return a.at_ <=> b.at_; }

 protected:
  explicit numbered_iterator(std::size_t at) : at_{at} {}
  std::size_t at_;

 private:
  Self& self() { return static_cast<Self&>(*this); }
  Self& moved() { return self().check(), self(); }
};

/// Reads as its own number, and calls a body for it. Throws std::range_error where it is moved to one place.
class counting_iterator : public numbered_iterator<counting_iterator> {
 public:
  using value_type = std::size_t;
  using reference = std::size_t;
  using pointer = const std::size_t*;

  counting_iterator() : numbered_iterator{0} {}
  counting_iterator(std::size_t at, const element_body& body,
                    std::size_t throws_at = std::numeric_limits<std::size_t>::max())
      : numbered_iterator{at}, body_{&body}, throws_at_{throws_at} {}

  std::size_t operator*() const { return (*body_)(at_), at_; }
  std::size_t operator[](difference_type by) const { return *(*this + by); }
  void check() const {
    if (at_ == throws_at_) throw std::range_error{"moved"};
  }

 private:
  const element_body* body_ = nullptr;
  std::size_t throws_at_ = std::numeric_limits<std::size_t>::max();
};

/// Refers to one and the same element, which has no value: as many as anybody likes to sort.
class same_element_iterator : public numbered_iterator<same_element_iterator> {
 public:
  struct element {};
  using value_type = element;
  using reference = element&;
  using pointer = element*;

  same_element_iterator() : numbered_iterator{0} {}
  explicit same_element_iterator(std::size_t at) : numbered_iterator{at} {}
  element& operator*() const { return only; }
  element& operator[](difference_type) const { return only; }
  void check() const {}

 private:
  static inline element only;
};

/// Forgets what is written.
class discarding_iterator : public numbered_iterator<discarding_iterator> {
 public:
  using value_type = discarding_iterator;
  using reference = const discarding_iterator&;
  using pointer = void;

  discarding_iterator() : numbered_iterator{0} {}
  const discarding_iterator& operator*() const { return *this; }
  const discarding_iterator& operator[](difference_type) const { return *this; }
  template <class T>
  const discarding_iterator& operator=(T&&) const
    requires(!std::is_same_v<std::remove_cvref_t<T>, discarding_iterator>)
  {
    return *this;
  }
  discarding_iterator(const discarding_iterator&) = default;
  discarding_iterator& operator=(const discarding_iterator&) = default;
  void check() const {}
};

}  // namespace weft::testing
