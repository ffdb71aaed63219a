#include <weft/base/detail/block_cache.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace weft::base {
namespace {

/// Blocks that are written to, so that one that is given out twice is found.
class blocks_in_use {
 public:
  explicit blocks_in_use(std::size_t bytes) : bytes_{bytes} {}
  ~blocks_in_use() {
    for (std::size_t i = 0; i < blocks_.size(); ++i) check(i);
    for (auto* block : blocks_) release_frame(block, bytes_);
  }
  blocks_in_use(const blocks_in_use&) = delete;
  blocks_in_use& operator=(const blocks_in_use&) = delete;

  void take(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      auto* block = static_cast<unsigned char*>(allocate_frame(bytes_));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignment_of_frame(bytes_), 0u);
      std::memset(block, static_cast<int>(blocks_.size() % 251), bytes_);
      blocks_.push_back(block);
    }
  }
  /// Releases all but one in `out_of`.
  void release_most(std::size_t out_of) {
    std::vector<unsigned char*> kept;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      check(i);
      if (i % out_of == 0) {
        kept.push_back(blocks_[i]);
      } else {
        release_frame(blocks_[i], bytes_);
      }
    }
    blocks_ = std::move(kept);
    for (std::size_t i = 0; i < blocks_.size(); ++i) std::memset(blocks_[i], static_cast<int>(i % 251), bytes_);
  }

 private:
  void check(std::size_t i) const {
    const auto expected = static_cast<unsigned char>(i % 251);
    EXPECT_TRUE(std::all_of(blocks_[i], blocks_[i] + bytes_, [&](unsigned char each) { return each == expected; }));
  }

  std::size_t bytes_;
  std::vector<unsigned char*> blocks_;
};

TEST(blocks_of_a_cache, are_aligned_and_nobody_elses_whatever_their_size) {
  for (std::size_t bytes : {1u, 24u, 64u, 65u, 128u, 192u, 200u, 256u, 512u, 960u, 1024u, 1025u, 4096u, 8192u}) {
    blocks_in_use some{bytes};
    some.take(500);
    some.release_most(3);
    some.take(500);
  }
}

TEST(blocks_of_a_cache, go_round_between_threads) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int round = 0; round < 50; ++round) {
        blocks_in_use some{100 + 100 * (i % 2)};
        some.take(300);
        some.release_most(7);
        if (round % 10 == 0) static_cast<void>(give_back_idle_blocks(idleness::now));
        some.take(300);
      }
    });
  }
  for (auto& each : threads) each.join();
}

class memory_of_blocks : public ::testing::Test {
 protected:
  void SetUp() override {
    release_block(allocate_block(100), 100);
    if (blocks().reserved_bytes == 0) GTEST_SKIP() << "under a sanitizer blocks are not kept";
    static_cast<void>(give_back_idle_blocks(idleness::now));
  }
  static constexpr std::size_t bytes = 320, count = 100'000;
  // What threads and sizes keep, and slabs of which a block is kept.
  static constexpr std::size_t some = std::size_t{4} << 20;
};

TEST_F(memory_of_blocks, goes_back_when_none_is_in_use) {
  const auto before = blocks().resident_bytes;
  {
    blocks_in_use peak{bytes};
    peak.take(count);
    EXPECT_GE(blocks().resident_bytes, before + bytes * count);
    EXPECT_LE(blocks().resident_bytes, before + bytes * count / 20 * 21 + some) << "they lie close together";
  }
  EXPECT_GE(blocks().idle_bytes, bytes * count - some);
  static_cast<void>(give_back_idle_blocks(idleness::now));
  EXPECT_LE(blocks().resident_bytes, before + some);
  // The address space is used again.
  const auto reserved = blocks().reserved_bytes;
  {
    blocks_in_use again{bytes};
    again.take(count);
    EXPECT_EQ(blocks().reserved_bytes, reserved);
  }
  static_cast<void>(give_back_idle_blocks(idleness::now));
}

TEST_F(memory_of_blocks, goes_back_when_nobody_has_needed_it_between_two_looks) {
  static_cast<void>(give_back_idle_blocks(idleness::since_last_call));
  { blocks_in_use{bytes}.take(count); }
  const auto peak = blocks().resident_bytes;
  EXPECT_TRUE(give_back_idle_blocks(idleness::since_last_call)) << "a later call finds more";
  EXPECT_EQ(blocks().resident_bytes, peak) << "it has been needed since the last call";
  { blocks_in_use{bytes}.take(count / 2); }
  static_cast<void>(give_back_idle_blocks(idleness::since_last_call));
  EXPECT_LE(blocks().resident_bytes, peak - bytes * count / 3) << "half of it has not been needed";
  EXPECT_GE(blocks().resident_bytes, bytes * count / 3) << "the other half has";
  EXPECT_FALSE(give_back_idle_blocks(idleness::since_last_call));
  EXPECT_LE(blocks().resident_bytes, peak - bytes * count + some);
}

}  // namespace
}  // namespace weft::base
