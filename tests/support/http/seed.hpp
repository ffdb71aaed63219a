#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace weft::http::test {

/// For a test's random choices: what WEFT_TEST_SEED says, so that a failure can be had again, or else a new one.
inline std::uint64_t seed() {
  const char* given = std::getenv("WEFT_TEST_SEED");
  auto chosen = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("WEFT_TEST_SEED=%llu\n", static_cast<unsigned long long>(chosen));
  return chosen;
}

}  // namespace weft::http::test
