// What a value costs on its way through a channel. A number at the end is that of the seats; times are per round trip,
// message or select.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include <weft/combine/select.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/sync/channel.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

namespace {

constexpr int batch = 20'000;

/// Two virtual threads hand a value to each other and back, over channels without room.
template <std::size_t Seats>
void channel_ping_pong(benchmark::State& state) {
  weft::runtime home{{.seats = Seats}};
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
BENCHMARK(channel_ping_pong<1>)->Name("channel_ping_pong_1")->UseRealTime();
BENCHMARK(channel_ping_pong<2>)->Name("channel_ping_pong_2")->UseRealTime();

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
template <std::size_t Seats>
void coroutine_channel_ping_pong(benchmark::State& state) {
  weft::runtime home{{.seats = Seats}};
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
BENCHMARK(coroutine_channel_ping_pong<1>)->Name("coroutine_channel_ping_pong_1")->UseRealTime();
BENCHMARK(coroutine_channel_ping_pong<2>)->Name("coroutine_channel_ping_pong_2")->UseRealTime();

/// Ten senders, ten receivers, room for 128.
template <std::size_t Seats>
void channel_10x10(benchmark::State& state) {
  weft::runtime home{{.seats = Seats}};
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
BENCHMARK(channel_10x10<1>)->Name("channel_10x10_1")->UseRealTime();
BENCHMARK(channel_10x10<2>)->Name("channel_10x10_2")->UseRealTime();

/// A value into a channel with room and out again, without anybody waiting.
template <std::size_t Seats>
void channel_without_waiting(benchmark::State& state) {
  weft::runtime home{{.seats = Seats}};
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
BENCHMARK(channel_without_waiting<1>)->Name("channel_without_waiting_1")->UseRealTime();

/// A select over two channels of which one has a value.
template <std::size_t Seats>
void select_2(benchmark::State& state) {
  weft::runtime home{{.seats = Seats}};
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
BENCHMARK(select_2<1>)->Name("select_2")->UseRealTime();

/// A select that parks on two channels, and somebody who sends to one of them.
template <std::size_t Seats>
void select_2_parked(benchmark::State& state) {
  weft::runtime home{{.seats = Seats}};
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
BENCHMARK(select_2_parked<1>)->Name("select_2_parked")->UseRealTime();

/// A select over 1,000 channels of which one has a value.
template <std::size_t Seats>
void select_1000(benchmark::State& state) {
  weft::runtime home{{.seats = Seats}};
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
BENCHMARK(select_1000<1>)->Name("select_1000")->UseRealTime();

}  // namespace
