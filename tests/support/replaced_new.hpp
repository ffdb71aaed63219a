#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

// Replaces operator new, but for over-aligned types, of the program that includes this, once.

/// What the program does instead; null: there is no memory.
[[nodiscard]] void* allocate(std::size_t bytes) noexcept;

void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes); }
void* operator new(std::size_t bytes) {
  if (void* made = allocate(bytes)) return made;
  throw std::bad_alloc{};
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes); }
void* operator new[](std::size_t bytes) { return operator new(bytes); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { std::free(block); }
