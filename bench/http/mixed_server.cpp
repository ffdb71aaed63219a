// The server of mixed_inline: a route that waits 10 ms and one that computes on the virtual thread of its request,
// without any annotation.
//
//     mixed_server ROUNDS         serves; ROUNDS is how long /burn computes
//     mixed_server --calibrate    prints how many rounds take 20 ms here

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <weft/weft.hpp>

namespace {

using namespace std::chrono_literals;

/// `rounds` steps that each wait for the one before.
std::uint64_t burn(std::uint64_t rounds, std::uint64_t x = 88172645463325252) {
  for (; rounds > 0; --rounds) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
  }
  return x;
}

/// The quickest of several tries tells how fast the machine is when nobody disturbs.
int calibrate() {
  constexpr std::uint64_t rounds = 2'000'000;
  std::uint64_t last = 1;
  auto quickest = std::chrono::nanoseconds::max();
  for (int i = 0; i < 50; ++i) {
    const auto began = std::chrono::steady_clock::now();
    last = burn(rounds, last);
    quickest = std::min<std::chrono::nanoseconds>(quickest, std::chrono::steady_clock::now() - began);
  }
  std::fprintf(stderr, "the last number was %llu\n", static_cast<unsigned long long>(last));  // so that it is computed
  std::printf("%lld\n", static_cast<long long>(rounds * std::chrono::nanoseconds{20ms} / quickest));
  return 0;
}

int serve(std::uint64_t rounds) {
  weft::http::router routes;
  routes.get("/wait", [](auto&, auto& response) {
    static_cast<void>(weft::sleep(10ms));
    response.text("waited");
  });
  routes.get("/burn", [rounds](auto&, auto& response) { response.text(std::to_string(burn(rounds))); });
  auto listener = weft::tcp_listener::bind("127.0.0.1:0");
  if (!listener) return std::fprintf(stderr, "mixed_server: %s\n", listener.error().message().c_str()), 1;
  std::printf("http://%s\n", listener->local().to_string().c_str());
  std::fflush(stdout);
  weft::http::server server{std::move(routes)};
  return server.serve(*listener) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: mixed_server ROUNDS | --calibrate\n"), 2;
  if (std::string_view{argv[1]} == "--calibrate") return calibrate();
  return weft::run({.seats = 2}, [&] { return serve(std::strtoull(argv[1], nullptr, 10)); });
}
