#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <mutex>
#include <utility>

#include <cxxabi.h>
#include <dlfcn.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#include "weft/base/detail/thread_interrupt.hpp"
#include "weft/sched/detail/carrier.hpp"
#include "weft/sched/detail/symbols.hpp"
#include "weft/sched/detail/thread_state.hpp"

// One question at a time, in static memory, so that a thread that answers late finds it. Its word: a number, which the
// signal carries, and how far it is.
//
//   unasked     -> asked        who wants to know
//   asked       -> answering    the thread, in the signal handler
//   asked       -> unasked       who wanted to know has waited long enough: the thread finds another number, or
//   `unasked` answering   -> unasked       the thread. What it found is there until the next question

namespace weft::sched {
namespace {

constexpr std::chrono::milliseconds longest_wait{10};
constexpr std::size_t most_frames = 64;

enum phase : std::uint32_t { unasked = 0, asked = 1, answering = 2 };
constexpr std::uint32_t phase_bits = 3, one_number = 4;

std::mutex asking;  // guards the question among those who ask
constinit std::atomic<std::uint32_t> word{unasked};
const runnable* about = nullptr;
std::array<const void*, most_frames> frames;
std::size_t count = 0;

// ---- in the signal handler

/// The frames of the handler come first; the one that it interrupted is known by its address being exact.
_Unwind_Reason_Code note(_Unwind_Context* frame, void* begun) {
  int is_exact = 0;
  auto address = _Unwind_GetIPInfo(frame, &is_exact);
  auto& has_begun = *static_cast<bool*>(begun);
  has_begun = has_begun || is_exact;
  if (!has_begun) return _URC_NO_REASON;
  if (address == 0 || count == most_frames) return _URC_END_OF_STACK;
  // A return address lies behind the call.
  frames[count++] = reinterpret_cast<const void*>(is_exact ? address : address - 1);
  return _URC_NO_REASON;
}

bool runs_the_task() noexcept {
  auto* here = current_carrier();
  return here && here->runs_own_code() && here->runs() == about;
}

void answer(std::uint32_t number) noexcept {
  auto expected = number | asked;
  // acquire: the question; pairs with trace_of(). relaxed on failure: it is another's, or nobody's
  if (!word.compare_exchange_strong(expected, number | answering, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
    return;
  }
  count = 0;
  bool begun = false;
  if (runs_the_task()) {
    _Unwind_Backtrace(&note, &begun);
    // Called by who stands between the system and us, such as ThreadSanitizer: with the frames of that.
    if (!std::exchange(begun, true)) _Unwind_Backtrace(&note, &begun);
  }
  // release: the answer; pairs with trace_of()
  word.store(number | unasked, std::memory_order_release);
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// ---- who asks

const base::thread_interrupt& answers() {
  static const base::thread_interrupt question{&answer};
  return question;
}

/// Waits until the word is no more `seen`, or `deadline`.
void wait_for_change(std::uint32_t seen, std::chrono::steady_clock::time_point deadline) noexcept {
  auto left = std::chrono::nanoseconds{deadline - std::chrono::steady_clock::now()};
  if (left.count() <= 0) return;
  timespec timeout{.tv_sec = 0, .tv_nsec = left.count()};  // less than a second
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, &timeout, nullptr, 0);
}

}  // namespace

void prepare_traces() {
  static_cast<void>(answers());
  // The first use of the unwinder may load it.
  std::lock_guard guard{asking};
  bool begun = false;
  _Unwind_Backtrace(&note, &begun);
}

std::vector<const void*> trace_of(int thread_id, const runnable& task) {
  std::lock_guard guard{asking};
  // acquire: an earlier question is over; pairs with answer()
  auto before = word.load(std::memory_order_acquire);
  if ((before & phase_bits) != unasked) return {};  // a thread that answered too late, and has lost its core
  auto number = before + one_number;
  about = &task;
  count = 0;
  // release: the question; pairs with answer()
  word.store(number | asked, std::memory_order_release);
  if (answers().send(thread_id, number)) {
    auto deadline = std::chrono::steady_clock::now() + longest_wait;
    // acquire: the answer; pairs with answer()
    for (auto seen = number | asked; seen != number && std::chrono::steady_clock::now() < deadline;) {
      wait_for_change(seen, deadline);
      seen = word.load(std::memory_order_acquire);
    }
  }
  auto expected = number | asked;
  // Nobody has begun to answer. relaxed: takes the question back, and publishes nothing
  if (word.compare_exchange_strong(expected, number | unasked, std::memory_order_relaxed)) return {};
  // acquire: as above. Otherwise it is being answered, by a thread that has lost its core.
  if (word.load(std::memory_order_acquire) != number) return {};
  return std::vector<const void*>(frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(count));
}

std::string name_of_place(const void* address) {
  Dl_info found{};
  std::array<char, 32> offset;
  if (::dladdr(address, &found) == 0) {
    std::snprintf(offset.data(), offset.size(), "%p", address);
    return offset.data();
  }
  auto distance = [&](const void* from) {
    auto bytes = reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(from);
    std::snprintf(offset.data(), offset.size(), "+0x%zx", static_cast<std::size_t>(bytes));
    return offset.data();
  };
  // The dynamic linker knows of no function that is not exported, and may name the exported one before it.
  auto known = symbol_at(address);
  if (known.name.empty() && found.dli_sname) known = {.name = found.dli_sname, .begins = found.dli_saddr};
  if (known.name.empty()) return std::string{found.dli_fname ? found.dli_fname : "?"} + distance(found.dli_fbase);
  int status = 0;
  const std::unique_ptr<char, decltype([](char* text) { std::free(text); })> readable{
      abi::__cxa_demangle(known.name.c_str(), nullptr, nullptr, &status)};
  return (readable ? std::string{readable.get()} : known.name) + distance(known.begins);
}

}  // namespace weft::sched
