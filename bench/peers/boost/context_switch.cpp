// Boost.Context: the bare switch of stacks, one way.

#include <boost/context/fiber.hpp>
#include <utility>

#include "measure.hpp"

namespace {

constexpr int batch = 1000;

void switch_one_way(benchmark::State& state) {
  bool stop = false;
  boost::context::fiber flow{[&stop](boost::context::fiber&& caller) {
    while (!stop) caller = std::move(caller).resume();
    return std::move(caller);
  }};
  while (state.KeepRunningBatch(batch)) {
    for (int i = 0; i < batch / 2; ++i) flow = std::move(flow).resume();
  }
  stop = true;
  flow = std::move(flow).resume();
}
BENCHMARK(switch_one_way)->Name("switch");

}  // namespace
