// A coroutine and a virtual thread share a channel: two kinds of task, one scheduler, one way of waiting.

#include <chrono>
#include <cstdio>

#include <weft/weft.hpp>

namespace {

weft::task<long> sum_up(weft::channel<int>& numbers, weft::channel<int>& answers) {
  long sum = 0;
  while (auto number = co_await numbers.async_recv()) {  // suspended, not blocked
    sum += *number;
    if (!co_await answers.async_send(*number)) break;
  }
  co_return sum;
}

}  // namespace

int main() {
  return weft::run({.seats = 1}, [] {
    constexpr int count = 200'000;
    weft::channel<int> numbers{0}, answers{0};
    auto coroutine = weft::spawn(sum_up(numbers, answers));
    auto start = weft::now();
    for (int i = 1; i <= count; ++i) {  // this is a virtual thread: plain calls that park
      if (!numbers.send(i) || answers.recv() != i) return 1;
    }
    auto each = std::chrono::duration<double, std::nano>(weft::now() - start).count() / count;
    numbers.close();
    auto sum = coroutine.join();
    std::printf("%d values went from a virtual thread to a coroutine and back: %.0f ns a round trip, sum %ld\n", count,
                each, sum);
    return sum == static_cast<long>(count) * (count + 1) / 2 ? 0 : 1;
  });
}
