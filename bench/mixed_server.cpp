// The server of mixed_inline and mixed_compute: a route that waits 10 ms, and one that computes: on the virtual thread
// of its request, without any annotation, or by compute().
//
//     mixed_server ROUNDS             serves; ROUNDS is how long /burn computes
//     mixed_server --compute ROUNDS   the same, by compute()
//     mixed_server --calibrate        prints how many rounds take 20 ms here

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

enum class burns_by : bool { request, compute };

int serve(std::uint64_t rounds, burns_by how) {
  weft::http::router routes;
  routes.get("/wait", [](auto&, auto& response) {
    static_cast<void>(weft::sleep(10ms));
    response.text("waited");
  });
  routes.get("/burn", [rounds, how](auto&, auto& response) {
    const auto last = how == burns_by::compute ? weft::compute([&] { return burn(rounds); }) : burn(rounds);
    response.text(std::to_string(last));
  });
  auto listener = weft::tcp_listener::bind("127.0.0.1:0");
  if (!listener) return std::fprintf(stderr, "mixed_server: %s\n", listener.error().message().c_str()), 1;
  std::printf("http://%s\n", listener->local().to_string().c_str());
  std::fflush(stdout);
  weft::http::server server{std::move(routes)};
  return server.serve(*listener) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (argc == 2 && first == "--calibrate") return calibrate();
  const auto how = first == "--compute" ? burns_by::compute : burns_by::request;
  if (argc != (how == burns_by::compute ? 3 : 2)) {
    return std::fprintf(stderr, "usage: mixed_server [--compute] ROUNDS | --calibrate\n"), 2;
  }
  return weft::run({.seats = 2}, [&] { return serve(std::strtoull(argv[argc - 1], nullptr, 10), how); });
}
