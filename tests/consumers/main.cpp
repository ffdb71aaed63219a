// What a program outside the project sees of an installed weft; each folder beside this file builds it in its own way.
// It touches every layer that has something to link.
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

}  // namespace

int main() {
  int sum = 0;
  int status = weft::run([&] {
    sum = sum_of_squares();
    return weft::tcp_listener::bind("127.0.0.1:0") ? 0 : 1;
  });
  if (status != 0 || sum != 385) return 1;
  std::puts("weft works here");
}
