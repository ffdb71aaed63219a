// What a program outside the project sees of an installed weft; each folder beside this file builds it in its own way.
// It touches every layer that has something to link.
#include <array>
#include <chrono>
#include <cstdio>

#include <weft/weft.hpp>

namespace {

weft::task<> send_squares(weft::channel<int>& squares) {
  for (int i = 1; i <= 10; ++i) {
    if (!co_await squares.async_send(i * i)) co_return;
  }
  squares.close();
}

int sum_of_squares() {
  weft::channel<int> squares{0};
  weft::scope senders;
  senders.spawn([&] { return send_squares(squares); });
  int sum = 0;
  while (auto square = squares.recv()) sum += *square;
  return weft::compute([sum] { return sum; });
}

/// A frame that reaches over the guard below the stack, into the middle of the next one.
[[gnu::noinline]] void write_large_frame() {
  std::array<char, 400 * 1024> frame;
  auto* bytes = frame.data();
  asm volatile("" : "+r"(bytes) : : "memory");
  bytes[0] = 1;
}

int overflow() {
  return weft::run([] {
    auto below = weft::spawn([] { static_cast<void>(weft::sleep(std::chrono::hours{1})); });
    weft::yield();
    weft::spawn({.name = "digger"}, [] { write_large_frame(); }).join();
    below.cancel();
  });
}

}  // namespace

int main(int count, char**) {
  if (count > 1) return overflow();
  int sum = 0;
  int status = weft::run([&] {
    sum = sum_of_squares();
    return weft::tcp_listener::bind("127.0.0.1:0") ? 0 : 1;
  });
  if (status != 0 || sum != 385) return 1;
  std::puts("weft works here");
}
