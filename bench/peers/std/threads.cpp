// std::thread, one at a time, and two with a std::mutex, which lets in whoever comes.

#include <mutex>
#include <thread>

#include "measure.hpp"

namespace {

void spawn_join_one(benchmark::State& state) {
  for (auto _ : state) std::thread{[] {}}.join();
}
BENCHMARK(spawn_join_one)->UseRealTime();

void mutex_os_threads(benchmark::State& state) { weft_bench::contend_on_os_threads<std::mutex>(state); }
BENCHMARK(mutex_os_threads)->UseRealTime();

}  // namespace
