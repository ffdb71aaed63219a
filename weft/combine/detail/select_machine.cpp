#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

#include <weft/base/detail/spin_lock.hpp>
#include <weft/base/random.hpp>
#include <weft/combine/detail/select_machine.hpp>

namespace weft::detail {
namespace {

[[gnu::noinline]] base::random& thread_random() noexcept {
  static std::atomic<std::uint64_t> seeds{1};
  // relaxed: any number will do
  static thread_local base::random random{seeds.fetch_add(1, std::memory_order_relaxed)};
  asm volatile("" ::: "memory");
  return random;
}

constexpr bool is_prime(std::uint32_t number) noexcept {
  for (std::uint32_t divisor = 2; divisor * divisor <= number; ++divisor) {
    if (number % divisor == 0) return false;
  }
  return true;
}

constexpr std::uint32_t compute_prime_from(std::uint32_t number) noexcept {
  auto prime = std::max(number, 2u);
  while (!is_prime(prime)) ++prime;
  return prime;
}

/// The least prime that is no less than `number`.
std::uint32_t prime_from(std::uint32_t number) noexcept {
  static constexpr auto small = [] {
    std::array<std::uint8_t, 64> primes{};
    for (std::uint32_t i = 0; i < primes.size(); ++i) primes[i] = static_cast<std::uint8_t>(compute_prime_from(i));
    return primes;
  }();
  return number < small.size() ? small[number] : compute_prime_from(number);
}

}  // namespace

void await_decision(task_base& task) noexcept {
  constexpr unsigned before_others_run = 64;
  for (unsigned tries = 0; !task.was_notified(); ++tries) {
    if (tries < before_others_run) {
      base::pause();
    } else {
      std::this_thread::yield();
    }
  }
  const bool parks = task.commit_park();  // sees what was delivered
  WEFT_ASSERT(!parks);
  static_cast<void>(parks);
}

case_order::case_order(std::size_t cases) noexcept
    : cases_{static_cast<std::uint32_t>(cases)}, prime_{prime_from(cases_)} {
  auto& random = thread_random();
  first_ = random.below(prime_);
  stride_ = 1 + random.below(prime_ - 1);
  if (first_ >= cases_) first_ = static_cast<std::uint32_t>(after(first_));
}

}  // namespace weft::detail
