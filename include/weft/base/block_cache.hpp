#pragma once

#include <cstddef>

namespace weft::base {

/// Memory for what comes and goes with every task, such as a coroutine's frame: blocks that were released are given out
/// again, mostly without a lock, whichever threads took and released them. Blocks of up to 1 KiB; larger ones, and all
/// of them under a sanitizer, come from operator new. Aligned like that of operator new.
/// Thread: any. Lifetime: what is kept, at most 64 MiB of each size, stays until the end of the process.
/// Throws std::bad_alloc.
[[nodiscard]] void* allocate_block(std::size_t bytes);

/// Takes back what allocate_block(bytes) returned.
/// Thread: any.
void release_block(void* block, std::size_t bytes) noexcept;

}  // namespace weft::base
