// What one switch of stacks costs, one way.

#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include <weft/stack/detail/context.hpp>
#include <weft/stack/detail/stack_pool.hpp>

namespace {

namespace stack = weft::stack;

constexpr std::size_t stack_bytes = 64 * 1024;

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

constexpr std::size_t batch = 1000;

/// The bare switch, one way.
void switch_one_way(benchmark::State& state) {
  stack::stack_pool pool{stack_bytes};
  stack::context main;
  passing_flow flow;
  flow.next = &main;
  flow.prepare(pool);
  while (state.KeepRunningBatch(batch)) {
    for (std::size_t i = 0; i < batch / 2; ++i) stack::context::switch_to(main, flow.self);
  }
  pool.release(flow.memory);
}
BENCHMARK(switch_one_way)->Name("switch");

/// Control goes round a ring of flows, as among virtual threads that yield; each is on a stack that was last touched a
/// whole round ago.
void ring_of_flows(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  stack::stack_pool pool{stack_bytes};
  stack::context main;
  auto flows = std::make_unique<passing_flow[]>(count);
  for (std::size_t i = 0; i < count; ++i) {
    flows[i].next = i + 1 < count ? &flows[i + 1].self : &main;
    flows[i].prepare(pool);
  }
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(count + 1))) {
    stack::context::switch_to(main, flows[0].self);
  }
  for (std::size_t i = 0; i < count; ++i) pool.release(flows[i].memory);
}
BENCHMARK(ring_of_flows)->Arg(10)->Arg(100)->Arg(1000)->Arg(10000);

}  // namespace
