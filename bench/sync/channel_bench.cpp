// What a value costs on its way through a channel. The first argument is the number of seats; times are per round trip,
// message or select.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include <weft/sync/channel.hpp>
#include <weft/sync/select.hpp>
#include <weft/task/runtime.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

namespace {

constexpr int batch = 20'000;

weft::runtime_options with_seats(const benchmark::State& state) {
  return {.seats = static_cast<std::size_t>(state.range(0))};
}

/// Two virtual threads hand a value to each other and back, over channels without room.
void channel_ping_pong(benchmark::State& state) {
  weft::runtime home{with_seats(state)};
  while (state.KeepRunningBatch(batch)) {
    weft::run_in(home, {}, [] {
      weft::channel<int> there{0}, back{0};
      weft::scope both;
      both.spawn([&] {
        for (int i = 0; i < batch; ++i) static_cast<void>(back.send(*there.recv()));
      });
      for (int i = 0; i < batch; ++i) {
        static_cast<void>(there.send(i));
        benchmark::DoNotOptimize(back.recv());
      }
    });
  }
}
BENCHMARK(channel_ping_pong)->Arg(1)->Arg(2)->UseRealTime();

weft::task<> serve(weft::channel<int>& there, weft::channel<int>& back) {
  for (int i = 0; i < batch; ++i) static_cast<void>(co_await back.async_send(*co_await there.async_recv()));
}

weft::task<> ask(weft::channel<int>& there, weft::channel<int>& back) {
  for (int i = 0; i < batch; ++i) {
    static_cast<void>(co_await there.async_send(i));
    benchmark::DoNotOptimize(co_await back.async_recv());
  }
}

/// The same between two coroutines.
void coroutine_channel_ping_pong(benchmark::State& state) {
  weft::runtime home{with_seats(state)};
  while (state.KeepRunningBatch(batch)) {
    weft::run_in(home, {}, [] {
      weft::channel<int> there{0}, back{0};
      weft::scope both;
      both.spawn(serve(there, back));
      both.spawn(ask(there, back));
      both.join();
    });
  }
}
BENCHMARK(coroutine_channel_ping_pong)->Arg(1)->Arg(2)->UseRealTime();

/// Ten senders, ten receivers, room for 128.
void channel_10x10(benchmark::State& state) {
  weft::runtime home{with_seats(state)};
  while (state.KeepRunningBatch(batch)) {
    weft::run_in(home, {}, [] {
      weft::channel<int> values{128};
      weft::scope receivers;
      weft::scope senders;
      for (int i = 0; i < 10; ++i) {
        receivers.spawn([&] {
          for (int value : values) benchmark::DoNotOptimize(value);
        });
        senders.spawn([&] {
          for (int value = 0; value < batch / 10; ++value) static_cast<void>(values.send(value));
        });
      }
      senders.join();
      values.close();
    });
  }
}
BENCHMARK(channel_10x10)->Arg(1)->Arg(2)->UseRealTime();

/// A value into a channel with room and out again, without anybody waiting.
void channel_without_waiting(benchmark::State& state) {
  weft::runtime home{with_seats(state)};
  while (state.KeepRunningBatch(batch)) {
    weft::run_in(home, {}, [] {
      weft::channel<int> values{1};
      for (int i = 0; i < batch; ++i) {
        static_cast<void>(values.send(i));
        benchmark::DoNotOptimize(values.recv());
      }
    });
  }
}
BENCHMARK(channel_without_waiting)->Arg(1)->UseRealTime();

/// A select over two channels of which one has a value.
void select_2(benchmark::State& state) {
  weft::runtime home{with_seats(state)};
  while (state.KeepRunningBatch(batch)) {
    weft::run_in(home, {}, [] {
      weft::channel<int> ready{1}, empty{1};
      for (int i = 0; i < batch; ++i) {
        static_cast<void>(ready.send(i));
        benchmark::DoNotOptimize(weft::select(ready.async_recv(), empty.async_recv()));
      }
    });
  }
}
BENCHMARK(select_2)->Arg(1)->UseRealTime();

/// A select that parks on two channels, and somebody who sends to one of them.
void select_2_parked(benchmark::State& state) {
  weft::runtime home{with_seats(state)};
  while (state.KeepRunningBatch(batch)) {
    weft::run_in(home, {}, [] {
      weft::channel<int> used{0}, empty{0};
      weft::scope both;
      both.spawn([&] {
        for (int i = 0; i < batch; ++i) static_cast<void>(used.send(i));
      });
      for (int i = 0; i < batch; ++i) benchmark::DoNotOptimize(weft::select(used.async_recv(), empty.async_recv()));
    });
  }
}
BENCHMARK(select_2_parked)->Arg(1)->UseRealTime();

/// A select over 1,000 channels of which one has a value.
void select_1000(benchmark::State& state) {
  weft::runtime home{with_seats(state)};
  constexpr int selects = 200;
  while (state.KeepRunningBatch(selects)) {
    weft::run_in(home, {}, [] {
      std::deque<weft::channel<int>> channels;
      for (int i = 0; i < 1000; ++i) channels.emplace_back(1u);
      std::vector<weft::channel<int>::recv_operation> receives;
      for (auto& each : channels) receives.push_back(each.async_recv());
      for (int i = 0; i < selects; ++i) {
        static_cast<void>(channels[static_cast<std::size_t>(i) * 5].try_send(i));
        benchmark::DoNotOptimize(weft::select_from(std::span{receives}));
      }
    });
  }
}
BENCHMARK(select_1000)->Arg(1)->UseRealTime();

}  // namespace
