#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace weft::base {

/// Memory for what comes and goes with every task, such as its control block: blocks that were released are given out
/// again, mostly without a lock, whichever threads took and released them. Blocks of up to 1 KiB; larger ones, and all
/// of them under a sanitizer, come from operator new. Aligned like that of operator new.
/// Thread: any.
/// Lifetime: what is kept goes back to the system by give_back_idle_blocks().
/// Throws std::bad_alloc.
[[nodiscard]] void* allocate_block(std::size_t bytes);

/// Takes back what allocate_block(bytes) returned.
/// Thread: any.
void release_block(void* block, std::size_t bytes) noexcept;

/// The alignment of every coroutine's frame. Compilers do not say which one a frame needs, but assume that it has it:
/// a vector register of 64 bytes that lives over a co_await is moved there as one.
inline constexpr std::size_t frame_alignment = 64;

/// The largest alignment that is honoured by a frame's size alone; see alignment_of_frame().
inline constexpr std::size_t largest_frame_alignment = 4096;

/// What a frame of `bytes` is aligned to. GCC makes the size of a frame a multiple of its alignment, as that of any
/// type, and so does Clang where nothing lies behind what is over-aligned.
[[nodiscard]] constexpr std::size_t alignment_of_frame(std::size_t bytes) noexcept {
  return std::clamp(bytes & (~bytes + 1), frame_alignment, largest_frame_alignment);
}

/// Memory for a coroutine's frame, as allocate_block(), aligned to alignment_of_frame(bytes).
/// Thread: any.
/// Throws std::bad_alloc.
[[nodiscard]] void* allocate_frame(std::size_t bytes);

/// Takes back what allocate_frame(bytes) returned.
/// Thread: any.
void release_frame(void* frame, std::size_t bytes) noexcept;

/// When memory goes back to the system.
enum class idleness : std::uint8_t {
  since_last_call,  ///< where nobody has needed it since the call before this one
  now               ///< at once
};

/// Gives memory back to the system in which no block is in use, but for a few hundred KiB. True: a later call may find
/// more.
/// Thread: any, several at the same time.
bool give_back_idle_blocks(idleness which) noexcept;

/// What the blocks take.
struct block_statistics {
  std::size_t resident_bytes = 0;  ///< memory that holds blocks, in use or not
  std::size_t idle_bytes = 0;      ///< of that, memory in which no block is in use
  std::size_t reserved_bytes = 0;  ///< address space
};

/// Thread: any.
[[nodiscard]] block_statistics blocks() noexcept;

}  // namespace weft::base
