#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <alloca.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weft/runtime/runtime.hpp>
#include <weft/stack/detail/instrumentation.hpp>
#include <weft/task/sleep.hpp>
#include <weft/task/spawn.hpp>
#include <weft/task/task.hpp>

// Frames, callables, arguments and results of every size on stacks of every size: a task that has not enough stack is
// named in the report, or refused; it never writes to the stack of another. Each attempt runs in a process of its own.

namespace weft {
namespace {

constexpr std::size_t kib = 1024;

/// Sizes that the compiler has to know, in KiB.
constexpr std::array known_sizes{32, 64, 100, 128, 160, 200, 240, 264, 280, 300, 320, 400, 580, 800, 1100, 1500, 2048};

enum class how : std::uint8_t { frame, allocated, coroutine, argument, callable, result };
constexpr std::array all_ways{how::frame, how::allocated, how::coroutine, how::argument, how::callable, how::result};

[[nodiscard]] const char* name_of(how way) {
  constexpr std::array names{"frame", "alloca", "coroutine", "argument", "callable", "result"};
  return names[static_cast<std::size_t>(way)];
}

struct attempt {
  how way;
  std::size_t bytes;
  std::size_t stack_bytes;
};

/// Keeps the compiler from leaving out what `memory` holds.
void use(void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

template <std::size_t bytes>
struct block {
  std::array<char, bytes> memory;
  void fill() {
    memory.fill(0x55);
    use(&memory);
  }
};

template <std::size_t bytes>
[[gnu::noinline]] void write_frame() {
  block<bytes> local;
  local.fill();
}

[[gnu::noinline]] void write_allocated(std::size_t bytes) {
  auto* memory = static_cast<char*>(alloca(bytes));
  std::memset(memory, 0x55, bytes);
  use(memory);
}

template <std::size_t bytes>
task<int> write_in_coroutine() {
  write_frame<bytes>();
  block<bytes> local;
  local.fill();
  co_return 1;
}

template <std::size_t bytes>
[[gnu::noinline]] void take(block<bytes> argument) {
  argument.fill();
}

template <std::size_t bytes>
[[gnu::noinline]] void pass_by_value(const block<bytes>& from) {
  take(from);
}

template <std::size_t bytes>
struct large_callable {
  std::unique_ptr<block<bytes>> from = std::make_unique<block<bytes>>();
  block<bytes> captured{};
  void operator()() { captured.fill(); }
};

template <std::size_t bytes>
void dig(how way, std::size_t stack_bytes) {
  const spawn_options options{.name = "digger", .stack_bytes = stack_bytes};
  auto from = std::make_unique<block<bytes>>();
  switch (way) {
    case how::frame: return spawn(options, [] { write_frame<bytes>(); }).join();
    case how::coroutine: return spawn(options, [] { static_cast<void>(await(write_in_coroutine<bytes>())); }).join();
    case how::argument: return spawn(options, [&] { pass_by_value(*from); }).join();
    case how::callable: return spawn(options, large_callable<bytes>{}).join();
    case how::result: static_cast<void>(spawn(options, [] { return block<bytes>{}; }).join()); return;
    case how::allocated: break;
  }
}

constexpr auto diggers = []<std::size_t... i>(std::index_sequence<i...>) {
  return std::array{&dig<known_sizes[i] * kib>...};
}(std::make_index_sequence<known_sizes.size()>{});

void carry_out(const attempt& what) {
  if (what.way == how::allocated) {
    spawn({.name = "digger", .stack_bytes = what.stack_bytes}, [&] { write_allocated(what.bytes); }).join();
  } else {
    const auto* size = std::ranges::find(known_sizes, static_cast<int>(what.bytes / kib));
    diggers[static_cast<std::size_t>(size - known_sizes.begin())](what.way, what.stack_bytes);
  }
}

/// Fills most of its stack, and says at the end whether that is as it was.
bool keep_a_stack_full(std::size_t stack_bytes, const std::atomic<bool>& is_over) {
  const std::size_t bytes = stack_bytes - std::min(stack_bytes / 2, (stack::instrumented ? 64 : 24) * kib);
  auto* memory = static_cast<unsigned char*>(alloca(bytes));
  std::memset(memory, 0x11, bytes);
  use(memory);
  while (!is_over.load()) yield();
  return std::all_of(memory, memory + bytes, [](unsigned char each) { return each == 0x11; });
}

constexpr int corrupt = 42;

/// In the child. Exits with 0 when nothing happened to the neighbours below and above.
[[noreturn]] void attempt_it(const attempt& what) {
  const rlimit no_core{};
  setrlimit(RLIMIT_CORE, &no_core);
  runtime home{{.seats = 1}};
  const bool unharmed = run_in(home, {.name = "main", .stack_bytes = 32 * kib * kib}, [&] {
    std::atomic<bool> is_over{false};
    std::vector<join_handle<bool>> neighbours;
    auto add = [&] {
      neighbours.push_back(spawn({.name = "neighbour", .stack_bytes = what.stack_bytes},
                                 [&] { return keep_a_stack_full(what.stack_bytes, is_over); }));
      yield();
    };
    // As many as the largest frame reaches over.
    const auto below = std::min<std::size_t>(what.bytes / what.stack_bytes + 2, 12);
    for (std::size_t i = 0; i < below; ++i) add();
    try {
      carry_out(what);
    } catch (const std::invalid_argument& refused) {
      std::fputs(refused.what(), stderr);
    }
    add();
    is_over = true;
    bool all = true;
    for (auto& each : neighbours) all = each.join() && all;
    return all;
  });
  std::fflush(stderr);
  _exit(unharmed ? 0 : corrupt);
}

struct end {
  int status = 0;
  std::string said;
};

[[nodiscard]] end run_apart(const attempt& what) {
  int ends[2];
  if (pipe(ends) != 0) return {.status = -1, .said = "no pipe"};
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    attempt_it(what);
  }
  close(ends[1]);
  end seen;
  char buffer[4096];
  for (ssize_t bytes = 0; (bytes = read(ends[0], buffer, sizeof buffer)) > 0;) {
    seen.said.append(buffer, static_cast<std::size_t>(bytes));
  }
  close(ends[0]);
  waitpid(child, &seen.status, 0);
  return seen;
}

/// Counts what came of the attempts.
struct tally {
  int harmless = 0, reported = 0, refused = 0;
};

void expect_harmless_or_reported(const attempt& what, tally& counts) {
  SCOPED_TRACE(std::string{name_of(what.way)} + " of " + std::to_string(what.bytes) + " bytes on a stack of " +
               std::to_string(what.stack_bytes));
  const auto seen = run_apart(what);
  if (WIFEXITED(seen.status) && WEXITSTATUS(seen.status) == 0) {
    ++(seen.said.empty() ? counts.harmless : counts.refused);
    EXPECT_TRUE(seen.said.empty() || seen.said.find("raise spawn_options::stack_bytes") != std::string::npos);
    return;
  }
  ASSERT_FALSE(WIFEXITED(seen.status) && WEXITSTATUS(seen.status) == corrupt) << "it wrote to another task's stack";
  ++counts.reported;
  EXPECT_NE(seen.said.find("stack overflow in a virtual thread"), std::string::npos) << seen.said;
  EXPECT_NE(seen.said.find("the task is \"digger\""), std::string::npos) << seen.said;
  EXPECT_TRUE(stack::instrumented || (WIFSIGNALED(seen.status) && WTERMSIG(seen.status) == SIGSEGV));
}

TEST(a_task, of_half_to_eight_times_its_stack_is_named_or_harmless) {
  tally counts;
  constexpr std::size_t stack_bytes = 256 * kib;
  for (auto way : all_ways) {
    if (way == how::allocated) continue;
    for (auto size : known_sizes) {
      expect_harmless_or_reported({way, static_cast<std::size_t>(size) * kib, stack_bytes}, counts);
    }
  }
  const std::size_t step = (stack::instrumented ? 256 : 32) * kib + 1000;
  for (std::size_t bytes = stack_bytes / 2; bytes <= 8 * stack_bytes; bytes += step) {
    expect_harmless_or_reported({how::allocated, bytes, stack_bytes}, counts);
  }
  EXPECT_GT(counts.harmless, 0);
  EXPECT_GT(counts.reported, 0);
  EXPECT_GT(counts.refused, 0);
}

TEST(a_task, of_any_size_on_a_stack_of_any_size_is_named_or_harmless) {
  const char* seed_given = std::getenv("WEFT_SEED");
  const auto seed = seed_given ? std::strtoul(seed_given, nullptr, 10) : std::random_device{}();
  const char* runs_given = std::getenv("WEFT_FRAME_RUNS");
  const int runs = runs_given ? std::atoi(runs_given) : stack::instrumented ? 50 : 300;
  SCOPED_TRACE("WEFT_SEED=" + std::to_string(seed));
  std::mt19937_64 random{seed};
  auto among = [&](std::size_t low, std::size_t high) {
    return std::uniform_int_distribution<std::size_t>{low, high}(random);
  };
  tally counts;
  for (int i = 0; i < runs && !testing::Test::HasFailure(); ++i) {
    attempt what{all_ways[among(0, all_ways.size() - 1)], 0, among(16, 512) * kib};
    if constexpr (stack::instrumented) what.stack_bytes = std::max(what.stack_bytes, 128 * kib);
    what.bytes = what.way == how::allocated
                     ? among(1, 2048 * kib)
                     : static_cast<std::size_t>(known_sizes[among(0, known_sizes.size() - 1)]) * kib;
    expect_harmless_or_reported(what, counts);
  }
  RecordProperty("harmless", counts.harmless);
  RecordProperty("reported", counts.reported);
  RecordProperty("refused", counts.refused);
}

/// What a message says of a task that has no room.
template <class F>
[[nodiscard]] std::string refusal_of(F f) {
  try {
    f();
  } catch (const std::invalid_argument& refused) {
    return refused.what();
  }
  return "";
}

TEST(spawn_refuses, a_callable_or_result_that_leaves_no_room_and_names_the_sizes) {
  runtime home{{.seats = 1}};
  run_in(home, {.name = "main", .stack_bytes = 16 * kib * kib}, [] {
    for (const auto& said : {refusal_of([] { spawn(large_callable<300 * kib>{}).join(); }),
                             refusal_of([] { static_cast<void>(spawn([] { return block<300 * kib>{}; }).join()); })}) {
      EXPECT_NE(said.find("take 307"), std::string::npos) << said;
      EXPECT_NE(said.find("bytes of its stack, which has 262144: raise spawn_options::stack_bytes to 31"),
                std::string::npos)
          << said;
    }
    EXPECT_EQ(
        refusal_of([] { spawn({.name = "digger", .stack_bytes = 400 * kib}, large_callable<300 * kib>{}).join(); }),
        "");
    EXPECT_NE(refusal_of([] { spawn({.name = "digger", .stack_bytes = 1}, large_callable<100 * kib>{}).join(); }), "");
  });
  EXPECT_NE(refusal_of([&] { run_in(home, {}, large_callable<300 * kib>{}); }), "") << "from an OS thread";
  home.shut_down();
  EXPECT_EQ(home.stacks().stats().in_use, 0u);
}

struct not_copied {
  not_copied() = default;
  not_copied(const not_copied&) { throw 5; }
  void operator()() const {}
};

TEST(spawn_refuses, what_cannot_be_copied_and_keeps_no_stack_for_it) {
  runtime home{{.seats = 1}};
  run_in(home, {}, [] {
    const not_copied callable;
    EXPECT_THROW(spawn(callable).join(), int);
  });
  home.shut_down();
  EXPECT_EQ(home.stacks().stats().in_use, 0u);
}

}  // namespace
}  // namespace weft
