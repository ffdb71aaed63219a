// std::thread, one at a time.

#include <thread>

#include "measure.hpp"

namespace {

void spawn_join_one(benchmark::State& state) {
  for (auto _ : state) std::thread{[] {}}.join();
}
BENCHMARK(spawn_join_one)->UseRealTime();

}  // namespace
