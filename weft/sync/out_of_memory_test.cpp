// Sends for which there is no memory hand their values back. In a program of its own, in which operator new can be told
// to fail.

#include "tests/support/task_fixture.hpp"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/sync/channel.hpp>
#include <weft/task/task.hpp>

#include "tests/support/replaced_new.hpp"

namespace {
// As large as a block of an unbounded channel at the least: nothing else that is allocated meanwhile fails.
constexpr std::size_t large = 4096;
std::atomic<bool> memory_is_scarce{false};
}  // namespace

void* allocate(std::size_t bytes) noexcept {
  // relaxed: set by the thread that allocates, or before it was started
  if (bytes >= large && memory_is_scarce.load(std::memory_order_relaxed)) return nullptr;
  return std::malloc(bytes);
}

namespace weft {
namespace {

using message = std::unique_ptr<int>;

/// Until it goes, an unbounded channel cannot grow.
struct scarcity {
  scarcity() { memory_is_scarce.store(true, std::memory_order_relaxed); }    // relaxed: as above
  ~scarcity() { memory_is_scarce.store(false, std::memory_order_relaxed); }  // relaxed: as above
};

const auto no_memory = std::make_error_condition(std::errc::not_enough_memory);

void expect_handed_back(send_result<message> sent, int value) {
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().reason, no_memory);
  ASSERT_TRUE(sent.error().value);
  EXPECT_EQ(*sent.error().value, value);
}

/// Sends until the block that the channel has is full, and the next value needs another one. How many fitted.
int fill_up(channel<message>& messages) {
  for (int sent = 0;; ++sent) {
    auto result = messages.send(std::make_unique<int>(sent));
    if (!result) {
      expect_handed_back(std::move(result), sent);
      return sent;
    }
  }
}

TEST(without_memory, an_unbounded_channel_hands_values_back_and_goes_on_when_there_is_some) {
  testing::run_on_virtual_clock(1, [] {
    channel<message> messages{unbounded};
    int fitted = 0;
    {
      scarcity now;
      expect_handed_back(messages.send(std::make_unique<int>(1)), 1);
      expect_handed_back(messages.try_send(std::make_unique<int>(2)), 2);
      expect_handed_back(spawn([&]() -> task<send_result<message>> {
                           co_return co_await messages.async_send(std::make_unique<int>(3));
                         }).join(),
                         3);
    }
    ASSERT_TRUE(messages.send(std::make_unique<int>(-1)));
    {
      scarcity now;
      fitted = fill_up(messages);
      EXPECT_GT(fitted, 1);
    }
    ASSERT_TRUE(messages.send(std::make_unique<int>(fitted)));
    messages.close();
    int expected = -1;
    for (auto& each : messages) EXPECT_EQ(*each, expected++);
    EXPECT_EQ(expected, fitted + 1);
  });
}

TEST(without_memory, a_receiver_that_waits_is_given_the_value) {
  testing::run_on_virtual_clock(1, [] {
    channel<message> messages{unbounded};
    auto receiver = spawn([&] { return *messages.recv(); });
    testing::run_until_parked(receiver);
    scarcity now;
    EXPECT_TRUE(messages.send(std::make_unique<int>(5)));
    EXPECT_EQ(*receiver.join(), 5);
  });
}

TEST(without_memory, a_batch_says_how_many_were_sent_and_keeps_the_others) {
  testing::run_on_virtual_clock(1, [] {
    channel<message> messages{unbounded};
    ASSERT_TRUE(messages.send(std::make_unique<int>(0)));  // has a block from here on
    std::vector<message> batch;
    for (int i = 0; i < 10'000; ++i) batch.push_back(std::make_unique<int>(i));
    scarcity now;
    auto sent = messages.send_many(batch);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().reason, no_memory);
    EXPECT_EQ(messages.size(), sent.error().sent + 1);
    for (std::size_t i = 0; i < batch.size(); ++i) EXPECT_EQ(batch[i] == nullptr, i < sent.error().sent) << i;
  });
}

TEST(without_memory, a_select_tells_the_case_that_failed) {
  testing::run_on_virtual_clock(1, [] {
    channel<message> messages{unbounded}, empty{0};
    scarcity now;
    auto outcome = select(messages.async_send(std::make_unique<int>(7)), empty.async_recv());
    ASSERT_TRUE(outcome);
    ASSERT_EQ(outcome->index(), 0u);
    expect_handed_back(std::get<0>(std::move(*outcome)), 7);
  });
}

}  // namespace
}  // namespace weft
