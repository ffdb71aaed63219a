// What one switch costs, one way. Each pair of benchmarks does the same with weft and with Boost.Context; compare them
// within one run.

#include <memory>
#include <vector>

#include <benchmark/benchmark.h>
#include <boost/context/fiber.hpp>

#include <weft/stack/context.hpp>
#include <weft/stack/stack_pool.hpp>

namespace {

namespace stack = weft::stack;

constexpr std::size_t stack_bytes = 64 * 1024;

void count_switches(benchmark::State& state, double each) {
  state.counters["one_way"] = benchmark::Counter(static_cast<double>(state.iterations()) * each,
                                                 benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// A flow that does nothing but pass control on to `next`, for ever.
struct passing_flow {
  stack::slot* memory = nullptr;
  stack::context self;
  stack::context* next = nullptr;

  void prepare(stack::stack_pool& pool) {
    memory = pool.allocate().value();
    self.prepare(memory->bottom(), memory->top(), memory, &run, this);
  }

  static void run(void* argument) {
    auto& flow = *static_cast<passing_flow*>(argument);
    while (true) stack::context::switch_to(flow.self, *flow.next);
  }
};

void weft_back_and_forth(benchmark::State& state) {
  stack::stack_pool pool{stack_bytes};
  stack::context main;
  passing_flow flow;
  flow.next = &main;
  flow.prepare(pool);
  for (auto _ : state) stack::context::switch_to(main, flow.self);
  count_switches(state, 2);
  pool.release(flow.memory);
}
BENCHMARK(weft_back_and_forth);

void boost_fiber_back_and_forth(benchmark::State& state) {
  bool stop = false;
  boost::context::fiber flow{[&stop](boost::context::fiber&& caller) {
    while (!stop) caller = std::move(caller).resume();
    return std::move(caller);
  }};
  for (auto _ : state) flow = std::move(flow).resume();
  count_switches(state, 2);
  stop = true;
  flow = std::move(flow).resume();
}
BENCHMARK(boost_fiber_back_and_forth);

/// Control goes round a ring of flows, as among virtual threads that yield; each is on a stack that was last touched a
/// whole round ago.
void weft_ring(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  stack::stack_pool pool{stack_bytes};
  stack::context main;
  auto flows = std::make_unique<passing_flow[]>(count);
  for (std::size_t i = 0; i < count; ++i) {
    flows[i].next = i + 1 < count ? &flows[i + 1].self : &main;
    flows[i].prepare(pool);
  }
  for (auto _ : state) stack::context::switch_to(main, flows[0].self);
  count_switches(state, static_cast<double>(count + 1));
  for (std::size_t i = 0; i < count; ++i) pool.release(flows[i].memory);
}
BENCHMARK(weft_ring)->Arg(10)->Arg(100)->Arg(1000)->Arg(10000);

}  // namespace
