#include "tests/support/descriptor_limit.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <mutex>
#include <vector>

#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
#define WEFT_UNDEFINED_BEHAVIOR_SANITIZER 1
#endif
#endif

namespace weft::testing {
namespace {

#ifdef WEFT_UNDEFINED_BEHAVIOR_SANITIZER
constexpr bool instrumented = true;
#else
constexpr bool instrumented = false;
#endif

/// Guards what is below, and the time in which it is counted which numbers are free.
constinit std::mutex counting;

// UndefinedBehaviorSanitizer, where it first meets an object of a polymorphic type, opens a pipe for a moment, to see
// whether its memory can be read; if it gets none it takes the object for none, and ends the program. So that this
// neither fails nor disturbs a limit, its pipes have numbers that lie above every limit, and are taken from a reserve
// while there is one. It gets them from pipe(), which nothing else here calls, and closes them itself.
struct pipe_ends {
  std::array<int, 2> numbers{-1, -1};
};
constexpr int first_of_sanitizer = 512;
constinit std::array<pipe_ends, 64> reserve{};
constinit std::size_t reserved = 0;

[[nodiscard]] int lifted(int number) noexcept {
  int high = ::fcntl(number, F_DUPFD, first_of_sanitizer);
  ::close(number);
  return high;
}

[[nodiscard]] pipe_ends open_pipe() noexcept {
  pipe_ends made;
  if (::pipe2(made.numbers.data(), 0) != 0) return {};
  return {{lifted(made.numbers[0]), lifted(made.numbers[1])}};
}

[[maybe_unused]] [[nodiscard]] pipe_ends take_pipe() noexcept {
  std::lock_guard guard{counting};
  return reserved != 0 ? reserve[--reserved] : open_pipe();
}

}  // namespace

descriptor_limit::descriptor_limit(std::size_t spare) {
  std::lock_guard guard{counting};
  while (instrumented && reserved < reserve.size()) reserve[reserved++] = open_pipe();
  ::getrlimit(RLIMIT_NOFILE, &before_);
  // The limit is the first number that cannot be had, and the lowest free ones are given out: what is free below
  // counts.
  std::vector<int> opened;
  while (opened.size() <= spare) opened.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto lowered = before_;
  lowered.rlim_cur = static_cast<rlim_t>(opened.back());
  for (int number : opened) ::close(number);
  ::setrlimit(RLIMIT_NOFILE, &lowered);
}

descriptor_limit::~descriptor_limit() {
  std::lock_guard guard{counting};
  ::setrlimit(RLIMIT_NOFILE, &before_);
  while (reserved != 0) {
    for (int number : reserve[--reserved].numbers) ::close(number);
  }
}

}  // namespace weft::testing

#ifdef WEFT_UNDEFINED_BEHAVIOR_SANITIZER
extern "C" int pipe(int ends[2]) noexcept {
  auto made = weft::testing::take_pipe();
  ends[0] = made.numbers[0];
  ends[1] = made.numbers[1];
  return ends[0] >= 0 && ends[1] >= 0 ? 0 : -1;
}
#endif
