// Skynet: a task starts ten, each of which starts ten, down to 1,000,000 leaves; each sends its number up a channel,
// and each node sends up the sum of what it received. Two seats.

#include <weft/base/check.hpp>
#include <weft/sync/channel.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

#include "measure.hpp"

namespace weft_bench {
namespace {

constexpr long leaves = 1'000'000;
constexpr long children = 10;
constexpr long sum_of_all = leaves * (leaves - 1) / 2;

using numbers = weft::channel<long>;

/// The node over the leaves from `first`, `count` of them.
void skynet(numbers& up, long first, long count) {
  long sum = first;
  if (count > 1) {
    sum = 0;
    numbers results{children};
    weft::scope below;
    for (long i = 0; i < children; ++i) {
      below.spawn(
          [&results, from = first + i * (count / children), part = count / children] { skynet(results, from, part); });
    }
    for (long i = 0; i < children; ++i) sum += results.recv().value();
  }
  static_cast<void>(up.send(sum));
}

weft::task<> coroutine_skynet(numbers& up, long first, long count) {
  long sum = first;
  if (count > 1) {
    sum = 0;
    numbers results{children};
    weft::scope below;
    const long part = count / children;
    for (long i = 0; i < children; ++i) below.spawn(coroutine_skynet(results, first + i * part, part));
    for (long i = 0; i < children; ++i) sum += (co_await results.async_recv()).value();
    static_cast<void>(co_await below.async_join());
  }
  static_cast<void>(co_await up.async_send(sum));
}

/// `run_root` sends the sum of all leaves to the channel that it is given.
template <class F>
void measure_skynet(benchmark::State& state, F run_root) {
  run_batches(state, 2, 1, [&] {
    numbers result{1};
    run_root(result);
    WEFT_CHECK(result.recv().value() == sum_of_all, "skynet has lost a leaf");
  });
}

void skynet_1m_ms(benchmark::State& state) {
  measure_skynet(state, [](numbers& result) { skynet(result, 0, leaves); });
}
BENCHMARK(skynet_1m_ms)->UseManualTime()->Iterations(3)->Unit(benchmark::kMillisecond);

void coroutine_skynet_1m_ms(benchmark::State& state) {
  measure_skynet(state, [](numbers& result) { weft::spawn(coroutine_skynet(result, 0, leaves)).join(); });
}
BENCHMARK(coroutine_skynet_1m_ms)->UseManualTime()->Iterations(3)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weft_bench
