#include "tests/support/task_fixture.hpp"

#include <atomic>
#include <functional>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <weft/compute/compute.hpp>
#include <weft/parallel/invoke_all.hpp>
#include <weft/parallel/parallel_for.hpp>
#include <weft/parallel/parallel_pipeline.hpp>
#include <weft/parallel/parallel_reduce.hpp>
#include <weft/runtime/runtime.hpp>

#include "tests/support/counting_iterator.hpp"

// What every algorithm does with ranges of no, one and far too many elements, with bodies that throw, when it is
// cancelled, and inside each other.

namespace weft {
namespace {

using testing::counting_iterator, testing::discarding_iterator, testing::element_body;

constexpr std::size_t huge = std::size_t{1} << 40;

/// An algorithm that calls the body for each number below `count`; scan twice.
struct algorithm {
  const char* name;
  void (*run)(std::size_t count, const element_body& body);
};

void call_all_of(std::size_t count, const element_body& body) {
  if (count == 0) return invoke_all();
  if (count == 1) return invoke_all([&] { body(0); });
  invoke_all([&] { call_all_of(count / 2, body); }, [&] { call_all_of(count - count / 2, body); });
}

const algorithm algorithms[] = {
    {"for", [](std::size_t count, const element_body& body) { parallel_for(0, count, body); }},
    {"for_2d",
     [](std::size_t count, const element_body& body) {
       parallel_for_2d({0, count}, {0, 1}, [&](index_range rows, index_range) {
         for (auto row = rows.first; row != rows.last; ++row) body(row);
       });
     }},
    {"for_each",
     [](std::size_t count, const element_body& body) {
       parallel_for_each(counting_iterator{0, body}, counting_iterator{count, body}, [](std::size_t) {});
     }},
    {"transform",
     [](std::size_t count, const element_body& body) {
       parallel_transform(counting_iterator{0, body}, counting_iterator{count, body}, discarding_iterator{},
                          [](std::size_t i) { return i; });
     }},
    {"reduce",
     [](std::size_t count, const element_body& body) {
       static_cast<void>(parallel_reduce(counting_iterator{0, body}, counting_iterator{count, body}, std::size_t{0}));
     }},
    {"deterministic_reduce",
     [](std::size_t count, const element_body& body) {
       static_cast<void>(parallel_reduce(counting_iterator{0, body}, counting_iterator{count, body}, std::size_t{0},
                                         std::plus<>{}, {.order = reduce_order::deterministic}));
     }},
    {"scan",
     [](std::size_t count, const element_body& body) {
       parallel_scan(counting_iterator{0, body}, counting_iterator{count, body}, discarding_iterator{});
     }},
    {"pipeline",
     [](std::size_t count, const element_body& body) {
       auto source = [count, next = std::size_t{0}]() mutable {
         return next == count ? std::optional<std::size_t>{} : std::optional{next++};
       };
       parallel_pipeline({}, source, unordered([&](std::size_t i) { return body(i), i; }), ordered([](std::size_t) {}));
     }},
    {"invoke_all", call_all_of},
};

class bad_input : public ::testing::TestWithParam<algorithm> {};
INSTANTIATE_TEST_SUITE_P(of, bad_input, ::testing::ValuesIn(algorithms),
                         [](const auto& each) { return std::string{each.param.name}; });

template <class F>
void on_carriers(F f) {
  runtime home{{.seats = 1, .compute_carriers = 2}};
  run_in(home, {}, [&] { f(home); });
}

TEST_P(bad_input, no_element_calls_nothing_and_one_element_is_called) {
  on_carriers([](runtime&) {
    GetParam().run(0, [](std::size_t) { ADD_FAILURE(); });
    std::atomic<int> calls{0};
    GetParam().run(1, [&](std::size_t i) {
      EXPECT_EQ(i, 0u);
      ++calls;
    });
    EXPECT_GE(calls.load(), 1);
  });
}

TEST_P(bad_input, a_range_of_a_million_million_ends_with_what_its_body_throws) {
  on_carriers([](runtime&) {
    std::atomic<int> calls{0};
    EXPECT_THROW(GetParam().run(huge,
                                [&](std::size_t) {
                                  if (++calls == 1000) throw std::out_of_range{"1000"};
                                }),
                 std::out_of_range);
  });
}

TEST_P(bad_input, a_range_of_a_million_million_ends_when_its_caller_is_cancelled) {
  on_carriers([](runtime&) {
    std::atomic<std::size_t> calls{0};
    auto loops = spawn([&] { GetParam().run(huge, [&](std::size_t) { ++calls; }); });
    while (calls < 1000) yield();
    loops.cancel();
    testing::expect_cancelled(loops);
  });
}

TEST_P(bad_input, of_what_is_thrown_on_several_threads_one_arrives_and_the_rest_are_counted) {
  on_carriers([](runtime& home) {
    std::atomic<std::uint64_t> inside{0}, thrown{0};
    EXPECT_THROW(GetParam().run(100'000,
                                [&](std::size_t) {
                                  ++inside;
                                  while (inside < 2) std::this_thread::yield();  // both carriers are here
                                  ++thrown;
                                  throw std::runtime_error{"thrown"};
                                }),
                 std::runtime_error);
    EXPECT_GE(thrown.load(), 2u);
    EXPECT_EQ(home.computing().exceptions_lost, thrown - 1);
  });
}

/// What a nested computation does that another part of the one around it stops.
class stopped_from_outside {
 public:
  /// Runs `nested`, which is to call `begun()`, and whose exception goes on.
  template <class F>
  void run(F nested) {
    try {
      nested();
    } catch (const std::system_error& error) {
      if (error.code() == errc::cancelled) was_cancelled_ = true;
      throw;
    }
  }
  void begun() { begun_ = true; }
  void wait_until_begun() const {
    while (!begun_) std::this_thread::yield();
  }
  [[nodiscard]] bool was_cancelled() const { return was_cancelled_; }

 private:
  std::atomic<bool> begun_{false}, was_cancelled_{false};
};

TEST_P(bad_input, it_ends_when_the_computation_that_it_is_nested_in_fails_elsewhere) {
  on_carriers([](runtime& home) {
    stopped_from_outside nested;
    EXPECT_THROW(parallel_for(0, 2,
                              [&](std::size_t i) {
                                if (i == 1)
                                  nested.run([&] { GetParam().run(huge, [&](std::size_t) { nested.begun(); }); });
                                nested.wait_until_begun();
                                throw std::out_of_range{"elsewhere"};
                              }),
                 std::out_of_range);
    EXPECT_TRUE(nested.was_cancelled());
    EXPECT_EQ(home.computing().exceptions_lost, 0u);
  });
}

TEST_P(bad_input, what_is_nested_in_it_ends_when_it_fails_elsewhere) {
  on_carriers([](runtime&) {
    stopped_from_outside nested;
    std::atomic<int> arrived{0};
    EXPECT_THROW(GetParam().run(huge,
                                [&](std::size_t) {
                                  if (++arrived != 1) {
                                    nested.run([&] {
                                      parallel_for(0, 2, [&](std::size_t) {
                                        parallel_for(0, huge, [&](std::size_t) { nested.begun(); });
                                      });
                                    });
                                  }
                                  nested.wait_until_begun();
                                  throw std::out_of_range{"elsewhere"};
                                }),
                 std::out_of_range);
    EXPECT_TRUE(nested.was_cancelled());
  });
}

TEST_P(bad_input, what_is_nested_in_it_ends_when_its_caller_is_cancelled) {
  on_carriers([](runtime&) {
    stopped_from_outside nested;
    auto loops = spawn([&] {
      GetParam().run(
          huge, [&](std::size_t) { nested.run([&] { parallel_for(0, huge, [&](std::size_t) { nested.begun(); }); }); });
    });
    nested.wait_until_begun();
    loops.cancel();
    EXPECT_THROW(loops.join(), std::system_error);
    EXPECT_TRUE(nested.was_cancelled());
  });
}

TEST_P(bad_input, a_failure_that_is_caught_in_a_part_stops_nothing_else) {
  on_carriers([](runtime&) {
    std::atomic<int> outer_calls{0};
    GetParam().run(20, [&](std::size_t) {
      EXPECT_THROW(parallel_for(0, 100, [](std::size_t) { throw std::out_of_range{"inside"}; }), std::out_of_range);
      ++outer_calls;
    });
    EXPECT_GE(outer_calls.load(), 20);
  });
}

TEST_P(bad_input, it_ends_half_way_when_the_program_ends) {
  std::atomic<std::size_t> calls{0};
  std::atomic<bool> was_cancelled{false};
  on_carriers([&](runtime&) {
    spawn([&] {
      try {
        GetParam().run(huge, [&](std::size_t) { ++calls; });
      } catch (const std::system_error& error) {
        was_cancelled = error.code() == errc::cancelled;
      }
    }).detach();
    while (calls < 1000) yield();
  });
  EXPECT_TRUE(was_cancelled);
}

TEST_P(bad_input, each_runs_inside_each) {
  on_carriers([](runtime&) {
    for (const auto& inner : algorithms) {
      std::atomic<std::size_t> outer_calls{0}, inner_calls{0};
      GetParam().run(5, [&](std::size_t) {
        ++outer_calls;
        inner.run(7, [&](std::size_t) { ++inner_calls; });
      });
      EXPECT_GE(outer_calls.load(), 5u);
      EXPECT_GE(inner_calls.load(), 7 * outer_calls) << inner.name;
    }
  });
}

TEST_P(bad_input, it_runs_in_compute_from_coroutines_and_on_plain_threads) {
  std::atomic<std::size_t> calls{0};
  auto run = [&] { GetParam().run(100, [&](std::size_t) { ++calls; }); };
  on_carriers([&](runtime&) {
    compute(run);
    EXPECT_GE(calls.exchange(0), 100u);
    spawn([&]() -> task<> { co_await async_compute(run); }).join();
    EXPECT_GE(calls.exchange(0), 100u);
    std::thread{run}.join();
    EXPECT_GE(calls.exchange(0), 100u);
  });
  run();
  EXPECT_GE(calls.load(), 100u);
}

TEST(bad_input_of_iterators, what_throws_when_it_is_moved_on_arrives) {
  on_carriers([](runtime&) {
    const element_body nothing = [](std::size_t) {};
    counting_iterator first{0, nothing, 9'000}, last{10'000, nothing, 9'000};
    EXPECT_THROW(parallel_for_each(first, last, [](std::size_t) {}), std::range_error);
    EXPECT_THROW(parallel_transform(first, last, discarding_iterator{}, [](std::size_t i) { return i; }),
                 std::range_error);
    EXPECT_THROW(static_cast<void>(parallel_reduce(first, last, std::size_t{0})), std::range_error);
    EXPECT_THROW(parallel_scan(first, last, discarding_iterator{}), std::range_error);
  });
}

TEST(bad_input_of_grains, any_grain_gives_the_same) {
  on_carriers([](runtime&) {
    constexpr std::size_t count = 10'000, sum = count * (count - 1) / 2;
    const element_body nothing = [](std::size_t) {};
    const counting_iterator first{0, nothing}, last{count, nothing};
    for (std::size_t grain :
         {std::size_t{0}, std::size_t{1}, count - 1, huge, std::numeric_limits<std::size_t>::max()}) {
      std::atomic<std::size_t> added{0};
      parallel_for(0, count, [&](std::size_t i) { added += i; }, {.grain = grain});
      EXPECT_EQ(added.load(), sum) << grain;
      for (auto order : {reduce_order::any, reduce_order::deterministic}) {
        EXPECT_EQ(parallel_reduce(first, last, std::size_t{0}, std::plus<>{}, {.order = order, .grain = grain}), sum);
      }
      std::vector<std::size_t> sums(count);
      parallel_scan(first, last, sums.begin(), std::plus<>{}, {.grain = grain});
      EXPECT_EQ(sums.back(), sum) << grain;
    }
  });
}

TEST(bad_input_of_grains, a_grain_of_the_whole_range_does_not_hold_a_cancel_up) {
  on_carriers([](runtime&) {
    std::atomic<std::size_t> calls{0};
    const element_body count_it = [&](std::size_t) { ++calls; };
    const counting_iterator first{0, count_it}, last{huge, count_it};
    const auto cancelled = [&](auto loop) {
      calls = 0;
      auto loops = spawn(loop);
      while (calls < 1000) yield();
      loops.cancel();
      EXPECT_THROW(loops.join(), std::system_error);
    };
    cancelled([&] { parallel_for(0, huge, count_it, {.grain = huge}); });
    cancelled([&] {
      static_cast<void>(parallel_reduce(first, last, std::size_t{0}, std::plus<>{},
                                        {.order = reduce_order::deterministic, .grain = huge}));
    });
    cancelled([&] { parallel_scan(first, last, discarding_iterator{}, std::plus<>{}, {.grain = huge}); });
  });
}

TEST(bad_input_of_blocks, a_plane_of_more_blocks_than_can_be_counted_ends_with_what_its_body_throws) {
  on_carriers([](runtime&) {
    std::atomic<int> calls{0};
    EXPECT_THROW(parallel_for_2d({0, huge}, {0, huge},
                                 [&](index_range, index_range) {
                                   if (++calls == 1000) throw std::out_of_range{"1000"};
                                 }),
                 std::out_of_range);
  });
}

}  // namespace
}  // namespace weft
