#pragma once

#include <cstddef>
#include <new>
#include <optional>

#include <pthread.h>

namespace weft::base {

// A thread_local of class type is gone while the destructors of older ones run, of static objects and of pthread keys:
// any of them may be the program's, and wait. This one lies in memory that has no destructor, and its end is that of a
// pthread key, which comes after all of the former. Whoever asks for it later still, from the destructor of another
// key, gets a new one, and that has an end as well. The main thread's lasts as long as the process.

/// A T of each OS thread's own, made when the thread first asks for it.
template <class T>
class thread_object {
 public:
  /// Never inlined: a task may wake on another OS thread, and a compiler may keep the address of a thread_local.
  /// Thread: any. Not to be kept across a park.
  [[nodiscard, gnu::noinline]] static T& here() {
    asm volatile("" ::: "memory");
    if (!made_) [[unlikely]]
      make();
    return *made_;
  }

 private:
  static void make() {
    made_ = new (place_) T;
    static const auto key = make_key();
    if (key) static_cast<void>(::pthread_setspecific(*key, made_));
  }

  [[nodiscard]] static std::optional<pthread_key_t> make_key() noexcept {
    pthread_key_t made{};
    if (::pthread_key_create(&made, &end) != 0) return std::nullopt;  // there are no more: what it keeps is lost
    return made;
  }

  static void end(void* object) noexcept {
    static_cast<T*>(object)->~T();
    made_ = nullptr;
  }

  static inline thread_local constinit T* made_ = nullptr;
  alignas(T) static inline thread_local constinit std::byte place_[sizeof(T)]{};
};

}  // namespace weft::base
