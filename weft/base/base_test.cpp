#include <gtest/gtest.h>

#include <vector>

#include <weft/base/detail/intrusive_list.hpp>
#include <weft/base/random.hpp>
#include <weft/base/result.hpp>

namespace weft {
namespace {

struct element : base::list_hook {
  explicit element(int number) : value(number) {}
  int value;
};

TEST(intrusive_list, pops_in_the_order_of_pushing_and_removes_from_the_middle) {
  base::intrusive_list<element> list;
  element one{1}, two{2}, three{3};
  list.push_back(one);
  list.push_back(two);
  list.push_back(three);
  base::intrusive_list<element>::remove(two);
  EXPECT_FALSE(two.is_linked());
  std::vector<int> seen;
  list.for_each([&](element& each) { seen.push_back(each.value); });
  EXPECT_EQ(seen, (std::vector{1, 3}));
  EXPECT_EQ(list.pop_front()->value, 1);
  EXPECT_EQ(list.pop_front()->value, 3);
  EXPECT_EQ(list.pop_front(), nullptr);
}

TEST(random, stays_below_its_bound_and_reaches_every_value) {
  base::random random{42};
  bool seen[7] = {};
  for (int i = 0; i < 1000; ++i) {
    auto value = random.below(7);
    ASSERT_LT(value, 7u);
    seen[value] = true;
  }
  for (bool reached : seen) EXPECT_TRUE(reached);
}

TEST(error, a_condition_compares_equal_to_the_code_made_from_it_and_reads_as_words) {
  result<int> outcome = failure(errc::cancelled);
  EXPECT_EQ(outcome.error(), errc::cancelled);
  EXPECT_EQ(outcome.error().message(), "cancelled");
  EXPECT_EQ(failure_from_errno(2).error(), std::errc::no_such_file_or_directory);
}

}  // namespace
}  // namespace weft
