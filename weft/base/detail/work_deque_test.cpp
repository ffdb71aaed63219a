#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include <weft/base/detail/work_deque.hpp>

namespace weft::base {
namespace {

template <class Deque>
class work_deques : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { prepare_asymmetric_fence(); }
  Deque deque;
};

using kinds = ::testing::Types<work_deque<int, thefts::frequent>, work_deque<int, thefts::rare>>;
TYPED_TEST_SUITE(work_deques, kinds, );

TYPED_TEST(work_deques, the_owner_takes_the_newest_and_thieves_the_oldest) {
  std::vector<int> entries(4);
  for (auto& each : entries) this->deque.push(each);
  EXPECT_EQ(this->deque.size(), 4u);
  EXPECT_EQ(this->deque.pop(), &entries[3]);
  EXPECT_EQ(this->deque.take_oldest(), &entries[0]);
  EXPECT_EQ(this->deque.pop_unshared(), &entries[2]);
  EXPECT_EQ(this->deque.pop(), &entries[1]);
  EXPECT_TRUE(this->deque.empty());
  EXPECT_EQ(this->deque.pop(), nullptr);
  EXPECT_EQ(this->deque.pop_unshared(), nullptr);
  EXPECT_EQ(this->deque.take_oldest(), nullptr);
}

TYPED_TEST(work_deques, grows_and_keeps_the_order) {
  std::vector<int> entries(5000);
  for (std::size_t i = 0; i < 1000; ++i) this->deque.push(entries[i]);
  for (std::size_t i = 0; i < 500; ++i) ASSERT_EQ(this->deque.take_oldest(), &entries[i]);
  for (std::size_t i = 1000; i < entries.size(); ++i) this->deque.push(entries[i]);
  for (std::size_t i = entries.size(); i-- > 600;) ASSERT_EQ(this->deque.pop(), &entries[i]);
  for (std::size_t i = 500; i < 600; ++i) ASSERT_EQ(this->deque.take_oldest(), &entries[i]);
  EXPECT_TRUE(this->deque.empty());
}

TYPED_TEST(work_deques, what_was_pushed_at_a_place_is_taken_back_there_unless_thieves_have_it) {
  int entry = 0;
  this->deque.grow();
  auto at = this->deque.end();
  EXPECT_FALSE(this->deque.push(entry, at));
  EXPECT_TRUE(this->deque.take_back(at));
  at = this->deque.end();
  EXPECT_FALSE(this->deque.push(entry, at));
  EXPECT_EQ(this->deque.end(), at + 1);
  EXPECT_EQ(this->deque.take_oldest(), &entry);
  EXPECT_FALSE(this->deque.take_back(at));
}

TYPED_TEST(work_deques, a_call_for_attention_is_heard_at_the_next_push) {
  int entry = 0;
  this->deque.grow();
  EXPECT_FALSE(this->deque.push(entry, this->deque.end()));
  this->deque.call_for_attention();
  EXPECT_TRUE(this->deque.push(entry, this->deque.end()));
  this->deque.grow();
  EXPECT_FALSE(this->deque.push(entry, this->deque.end()));
}

TYPED_TEST(work_deques, owner_and_thieves_take_each_entry_exactly_once) {
  constexpr std::size_t rounds = 3000, burst = 7, thieves = 2;
  std::vector<int> entries(rounds * burst);  // how often each was taken
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  auto& shared = this->deque;
  for (std::size_t i = 0; i < thieves; ++i) {
    threads.emplace_back([&] {
      do {
        while (auto* entry = shared.take_oldest()) ++*entry;
        std::this_thread::yield();
      } while (!over);
    });
  }
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < burst; ++i) shared.push(entries[round * burst + i]);
    // The last ones are what both sides want.
    for (std::size_t i = round % 3; i < burst; ++i) {
      if (auto* entry = shared.pop()) ++*entry;
    }
    if (round % 16 == 0) std::this_thread::yield();
  }
  while (auto* entry = shared.pop()) ++*entry;
  over = true;
  for (auto& each : threads) each.join();
  for (auto taken : entries) ASSERT_EQ(taken, 1);
  EXPECT_TRUE(shared.empty());
}

}  // namespace
}  // namespace weft::base
