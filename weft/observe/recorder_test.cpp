#include <gtest/gtest.h>

#include <condition_variable>
#include <latch>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>

#include <weft/base/clock.hpp>
#include <weft/compute/compute.hpp>
#include <weft/observe/recorder.hpp>
#include <weft/runtime/runtime.hpp>

#include "tests/support/task_fixture.hpp"

namespace weft::observe {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

accounting waited(std::initializer_list<std::pair<wait_kind, nanoseconds>> waits, nanoseconds computed = 0ns) {
  accounting made;
  for (auto [kind, time] : waits) made.add(kind, time);
  made.computed = computed;
  return made;
}

nanoseconds waiting_for(const route_metrics& route, wait_kind kind) {
  return route.time.waiting[static_cast<std::size_t>(kind)];
}

TEST(route_statistics, counts_what_no_wait_accounts_for_as_running) {
  route_statistics route{"GET", "/"};
  route.record(10ms, waited({{wait_kind::socket, 6ms}, {wait_kind::file, 1ms}}), 200);
  auto metrics = route.snapshot();
  EXPECT_EQ(metrics.time.running, 3ms);
  EXPECT_EQ(waiting_for(metrics, wait_kind::socket), 6ms);
  EXPECT_EQ(waiting_for(metrics, wait_kind::file), 1ms);
  EXPECT_EQ(metrics.time.total(), 10ms);
  EXPECT_EQ(metrics.latency_sum, 10ms);
}

TEST(route_statistics, takes_computing_out_of_the_wait_for_it_and_counts_it_as_running) {
  route_statistics route{"GET", "/"};
  route.record(10ms, waited({{wait_kind::compute, 8ms}}, 5ms), 200);
  auto metrics = route.snapshot();
  EXPECT_EQ(metrics.time.running, 2ms + 5ms);
  EXPECT_EQ(waiting_for(metrics, wait_kind::compute), 3ms);
  EXPECT_EQ(metrics.time.total(), 10ms);
}

TEST(route_statistics, counts_computing_on_several_cores_in_full) {
  route_statistics route{"GET", "/"};
  route.record(10ms, waited({{wait_kind::compute, 9ms}}, 18ms), 200);
  auto metrics = route.snapshot();
  EXPECT_EQ(metrics.time.running, 1ms + 18ms);
  EXPECT_EQ(waiting_for(metrics, wait_kind::compute), 0ms);
}

TEST(route_statistics, never_runs_for_less_than_no_time_when_children_waited_together) {
  route_statistics route{"GET", "/"};
  route.record(10ms, waited({{wait_kind::socket, 30ms}}), 200);
  EXPECT_EQ(route.snapshot().time.running, 0ms);
}

TEST(route_statistics, tells_io_bound_from_cpu_bound_by_what_its_waits_leave_idle) {
  auto judged = [](nanoseconds latency, const accounting& waits) {
    route_statistics route{"GET", "/"};
    route.record(latency, waits, 200);
    return route.snapshot().time;
  };
  auto database = judged(10ms, waited({{wait_kind::socket, 9ms}}));
  EXPECT_EQ(database.verdict(), verdict::io_bound);
  EXPECT_DOUBLE_EQ(database.cpu_idle_share(), 0.9);

  auto image = judged(10ms, waited({{wait_kind::compute, 9ms}, {wait_kind::file, 1ms}}, 9ms));
  EXPECT_EQ(image.verdict(), verdict::cpu_bound);
  EXPECT_DOUBLE_EQ(image.cpu_idle_share(), 0.1);

  EXPECT_EQ(judged(10ms, waited({{wait_kind::socket, 5ms}})).verdict(), verdict::mixed);
  EXPECT_EQ(route_statistics("GET", "/").snapshot().time.verdict(), verdict::unknown);
}

TEST(route_statistics, does_not_take_the_queue_for_a_core_for_an_idle_cpu) {
  route_statistics route{"GET", "/"};
  route.record(100ms, waited({{wait_kind::compute, 100ms}}, 5ms), 200);
  auto time = route.snapshot().time;
  EXPECT_DOUBLE_EQ(time.cpu_idle_share(), 0.0);
  EXPECT_EQ(time.verdict(), verdict::cpu_bound);
}

TEST(route_statistics, tells_the_clients_errors_from_the_servers) {
  route_statistics route{"GET", "/"};
  for (int status : {200, 201, 304, 404, 413, 422, 500, 503}) route.record(1ms, {}, status);
  auto metrics = route.snapshot();
  EXPECT_EQ(metrics.requests(), 8u);
  EXPECT_EQ(metrics.rejected(), 3u);
  EXPECT_EQ(metrics.errors(), 2u);
  EXPECT_EQ(metrics.responses, (std::array<std::uint64_t, 5>{0, 2, 1, 3, 2}));
}

TEST(route_statistics, refuses_a_status_that_http_does_not_have) {
  route_statistics route{"GET", "/"};
  EXPECT_DEATH(route.record(1ms, {}, 0), "record the HTTP status");
  EXPECT_DEATH(route.record(1ms, {}, 600), "record the HTTP status");
}

TEST(route_statistics, loses_nothing_that_several_threads_record_at_once) {
  constexpr int threads = 4;
  constexpr int each = 20'000;
  route_statistics route{"GET", "/"};
  {
    std::vector<std::jthread> recorders;
    for (int thread = 0; thread < threads; ++thread) {
      recorders.emplace_back([&route, thread] {
        for (int i = 0; i < each; ++i) {
          route.record(nanoseconds{1000 + i}, waited({{wait_kind::lock, nanoseconds{thread}}}), 200);
        }
      });
    }
    // A reader in between sees a part, and disturbs nobody.
    EXPECT_LE(route.snapshot().requests(), std::uint64_t{threads * each});
  }
  auto metrics = route.snapshot();
  EXPECT_EQ(metrics.requests(), std::uint64_t{threads * each});
  EXPECT_EQ(metrics.responses[1], std::uint64_t{threads * each});
  EXPECT_EQ(waiting_for(metrics, wait_kind::lock), nanoseconds{(0 + 1 + 2 + 3) * each});
  EXPECT_EQ(metrics.latency_sum, nanoseconds{threads * (1000LL * each + 1LL * each * (each - 1) / 2)});
  EXPECT_EQ(metrics.latency_max, nanoseconds{1000 + each - 1});
}

TEST(recorder, makes_one_route_of_one_method_and_path) {
  recorder recorder;
  auto& first = recorder.add_route("GET", "/photos");
  EXPECT_EQ(&first, &recorder.add_route("GET", "/photos"));
  EXPECT_NE(&first, &recorder.add_route("POST", "/photos"));
  EXPECT_EQ(recorder.snapshot().routes.size(), 2u);
}

TEST(recorder, refuses_to_make_a_route_of_whatever_clients_ask_for) {
  auto flood = [] {
    recorder recorder;
    for (int i = 0; i <= 1000; ++i) recorder.add_route("GET", "/" + std::to_string(i));
  };
  EXPECT_DEATH(flood(), "add routes by their pattern");
}

TEST(recorder, shows_unmatched_requests_once_there_are_any) {
  recorder recorder;
  recorder.add_route("GET", "/");
  EXPECT_EQ(recorder.snapshot().routes.size(), 1u);
  span{recorder}.close(recorder.unmatched(), 404);
  auto routes = recorder.snapshot().routes;
  ASSERT_EQ(routes.size(), 2u);
  EXPECT_EQ(routes.back().rejected(), 1u);
}

TEST(recorder, knows_what_the_process_uses_and_since_when_it_records) {
  virtual_clock clock;
  recorder recorder{{.service = "gallery", .model = "virtual"}};
  clock.advance_to(now() + 90s);
  auto metrics = recorder.snapshot();
  EXPECT_EQ(metrics.service, "gallery");
  EXPECT_EQ(metrics.model, "virtual");
  EXPECT_EQ(metrics.uptime, 90s);
  EXPECT_GE(metrics.process.cores, 1u);
  EXPECT_GT(metrics.process.cpu_time, 0ns);
#ifdef __linux__
  std::latch done{1};
  std::jthread another{[&] { done.wait(); }};
  EXPECT_GE(recorder.snapshot().process.threads.value(), 2u);
  done.count_down();
  EXPECT_GT(metrics.process.resident_bytes.value(), 100'000u);
#endif
}

TEST(span, records_the_time_from_its_making_to_its_close) {
  virtual_clock clock;
  recorder recorder;
  auto& route = recorder.add_route("GET", "/");
  span span{recorder};
  clock.advance_to(now() + 120ms);
  span.close(route, 200);
  clock.advance_to(now() + 1h);
  auto metrics = route.snapshot();
  EXPECT_EQ(metrics.latency_sum, 120ms);
  EXPECT_EQ(metrics.time.running, 120ms);
}

class spans_of_tasks : public weft::testing::runtime_test {
 protected:
  recorder recorder_;
  route_statistics& route_ = recorder_.add_route("GET", "/");

  /// Timers are late by less than a tick of their wheel.
  static bool slept(nanoseconds time, nanoseconds wanted) { return time >= wanted && time < wanted + 5ms; }
};
WEFT_ON_ONE_SEAT_AND_ON_SEVERAL(spans_of_tasks);

TEST_P(spans_of_tasks, count_the_waits_of_a_virtual_thread_and_only_while_they_live) {
  run([&] {
    sleep(1s);
    {
      span request{recorder_};
      sleep(100ms);
      request.close(route_, 200);
    }
    sleep(1s);
  });
  auto metrics = route_.snapshot();
  EXPECT_TRUE(slept(waiting_for(metrics, wait_kind::timer), 100ms));
  EXPECT_EQ(metrics.latency_sum, waiting_for(metrics, wait_kind::timer));
  EXPECT_EQ(metrics.time.running, 0ms);
  EXPECT_EQ(metrics.time.verdict(), verdict::io_bound);
}

TEST_P(spans_of_tasks, count_the_waits_of_a_coroutine) {
  run([&] {
    spawn([&]() -> task<void> {
      span request{recorder_};
      EXPECT_TRUE((co_await async_sleep(100ms)).has_value());
      request.close(route_, 200);
    }).join();
  });
  EXPECT_TRUE(slept(waiting_for(route_.snapshot(), wait_kind::timer), 100ms));
}

TEST_P(spans_of_tasks, keep_the_waits_of_requests_that_wait_at_the_same_time_apart) {
  auto& slow = recorder_.add_route("GET", "/slow");
  run([&] {
    auto serve = [&](route_statistics& route, duration wait) {
      span request{recorder_};
      sleep(wait);
      request.close(route, 200);
    };
    scope requests;
    for (int i = 0; i < 10; ++i) {
      requests.spawn([&] { serve(route_, 10ms); });
      requests.spawn([&] { serve(slow, 1s); });
    }
  });
  EXPECT_TRUE(slept(waiting_for(route_.snapshot(), wait_kind::timer), 10 * 10ms));
  EXPECT_TRUE(slept(waiting_for(slow.snapshot(), wait_kind::timer), 10 * 1s));
}

// Real time: the watchdog looks at threads. A request blocks until the watchdog has seen it do so.
class blocked_spans : public ::testing::TestWithParam<std::size_t> {
 protected:
  template <class F>
  void run(F f) {
    runtime_options options{.seats = GetParam()};
    options.watchdog.slice = 2ms;
    runtime home{std::move(options)};
    run_in(home, {.name = "test"}, std::move(f));
  }

  /// Serves a request that calls `block` until nine tenths of its time since the first call are known to be blocked.
  template <class F>
  void serve(F block) {
    span request{recorder_};
    serve_within(request, block);
    request.close(route_, 200);
  }
  template <class F>
  static void serve_within(span& request, F block) {
    const auto before = request.waits().blocked_in_place;
    const auto began = now();
    do {
      block();
    } while ((request.waits().blocked_in_place - before) * 10 < (now() - began) * 9);
  }

  void expect_io_bound(wait_kind kind) {
    const auto metrics = route_.snapshot();
    EXPECT_EQ(metrics.time.verdict(), verdict::io_bound);
    EXPECT_EQ(waiting_for(metrics, kind), metrics.time.blocked_in_place);
    EXPECT_GT(metrics.time.blocked_in_place, 0ns);
    EXPECT_LE(metrics.time.blocked_in_place, metrics.latency_sum);
  }

  recorder recorder_;
  route_statistics& route_ = recorder_.add_route("GET", "/");
};
INSTANTIATE_TEST_SUITE_P(seats, blocked_spans, ::testing::Values(std::size_t{1}, std::size_t{3}),
                         [](const auto& each) { return "seats_" + std::to_string(each.param); });

void block_in_poll() { ::poll(nullptr, 0, 30); }

void block_on_an_os_lock() {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock{mutex};
  never.wait_for(lock, 30ms);
}

TEST_P(blocked_spans, count_a_system_call_of_a_virtual_thread_as_a_wait_for_what_blocks) {
  run([&] { serve(block_in_poll); });
  expect_io_bound(wait_kind::blocking);
}

TEST_P(blocked_spans, count_an_os_lock_as_a_wait_for_a_lock) {
  run([&] { serve(block_on_an_os_lock); });
  expect_io_bound(wait_kind::lock);
}

TEST_P(blocked_spans, count_it_in_every_run_of_a_task_on_a_seat_and_without_one) {
  run([&] {
    span request{recorder_};
    for (int runs = 0; runs < 3; ++runs) {
      serve_within(request, block_in_poll);
      yield();
    }
    request.close(route_, 200);
  });
  expect_io_bound(wait_kind::blocking);
}

TEST_P(blocked_spans, count_it_for_coroutines_and_for_tasks_that_stay_on_their_thread) {
  run([&] {
    spawn([&]() -> task<void> {
      serve(block_in_poll);
      co_await async_yield();
      serve(block_in_poll);
    }).join();
    spawn({.stays_on_thread = true}, [&] {
      serve(block_in_poll);
      yield();
      serve(block_in_poll);
    }).join();
  });
  expect_io_bound(wait_kind::blocking);
}

TEST_P(blocked_spans, do_not_count_what_was_before_them_nor_what_a_task_computes) {
  run([&] {
    {
      span earlier{recorder_};
      serve_within(earlier, block_in_poll);
    }
    span request{recorder_};
    const auto began = now();
    while (now() - began < 30ms) {}
    EXPECT_EQ(request.waits().blocked_in_place, 0ns);
    request.close(route_, 200);
  });
  EXPECT_EQ(route_.snapshot().time.blocked_in_place, 0ns);
  EXPECT_EQ(route_.snapshot().time.verdict(), verdict::cpu_bound);
}

TEST(span, is_in_flight_until_it_is_closed_or_abandoned) {
  recorder recorder;
  auto& route = recorder.add_route("GET", "/");
  span answered{recorder};
  std::optional<span> hung_up{std::in_place, recorder};
  EXPECT_EQ(recorder.snapshot().in_flight, 2);
  // A request may end on another thread than it began on.
  std::jthread{[&] { answered.close(route, 200); }}.join();
  EXPECT_EQ(recorder.snapshot().in_flight, 1);
  EXPECT_EQ(recorder.snapshot().abandoned, 0u);
  hung_up.reset();
  EXPECT_EQ(recorder.snapshot().in_flight, 0);
  EXPECT_EQ(recorder.snapshot().abandoned, 1u);
  EXPECT_EQ(route.snapshot().requests(), 1u);
}

TEST(recorder, takes_requests_from_a_server_that_measures_them_itself) {
  recorder recorder;
  auto& route = recorder.add_route("GET", "/");
  recorder.begin();
  recorder.begin();
  EXPECT_EQ(recorder.snapshot().in_flight, 2);
  recorder.answer(route, 10ms, waited({{wait_kind::socket, 9ms}}), 200);
  recorder.abandon();
  auto metrics = recorder.snapshot();
  EXPECT_EQ(metrics.in_flight, 0);
  EXPECT_EQ(metrics.abandoned, 1u);
  EXPECT_EQ(metrics.routes[0].requests(), 1u);
  EXPECT_EQ(metrics.routes[0].time.running, 1ms);
}

TEST(recorder, knows_what_the_runtime_computes_once_it_does) {
  recorder recorder;
  EXPECT_FALSE(recorder.snapshot().computing.has_value());
  testing::run_on_virtual_clock(1, [&] {
    EXPECT_FALSE(recorder.snapshot().computing.has_value());
    std::uint_least32_t line = 0;
    for (int i = 0; i < 3; ++i) {
      compute([&] { line = std::source_location::current().line(); });
      EXPECT_TRUE(compute([] { return sleep(1h); }));
    }
    auto computing = recorder.snapshot().computing.value();
    ASSERT_EQ(computing.sites.size(), 2u);
    for (const auto& site : computing.sites) {
      EXPECT_EQ(site.calls, 3u);
      EXPECT_LT(site.total, 1h) << "waits are not computing";
      EXPECT_TRUE(site.called_at.line() == line || site.called_at.line() == line + 1);
    }
    EXPECT_GE(computing.sites[0].total, computing.sites[1].total);
    EXPECT_EQ(computing.carriers.begun, 6u);
  });
}

TEST(span, refuses_to_be_closed_twice) {
  recorder recorder;
  auto& route = recorder.add_route("GET", "/");
  span span{recorder};
  span.close(route, 200);
  EXPECT_DEATH(span.close(route, 200), "close a span once");
}

}  // namespace
}  // namespace weft::observe
