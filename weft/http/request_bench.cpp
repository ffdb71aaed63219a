#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/server.hpp>
#include <weft/io/byte_stream.hpp>

#include "weft/http/h1/head_parser.hpp"
#include "weft/http/h1/head_scanner.hpp"

// What HTTP costs above the kernel: the head's grammar alone, and a whole request over a stream that costs nothing.
namespace weft::http {
namespace {

constexpr std::string_view small_get = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
constexpr std::string_view curl_get =
    "GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";
constexpr std::string_view browser_get =
    "GET /photos?limit=20 HTTP/1.1\r\nHost: localhost:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n"
    "Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n"
    "Sec-Fetch-User: ?1\r\n\r\n";

void parse_head(benchmark::State& state, std::string_view text) {
  detail::request_head head;
  for (auto _ : state) {
    detail::head_scanner scanner;
    benchmark::DoNotOptimize(scanner.scan(text));
    benchmark::DoNotOptimize(detail::parse_request_head(text, {}, head));
  }
}
BENCHMARK_CAPTURE(parse_head, small, small_get);
BENCHMARK_CAPTURE(parse_head, curl, curl_get);
BENCHMARK_CAPTURE(parse_head, browser, browser_get);

/// Gives the same request again and again, `together` at a time, until the benchmark has had enough.
class endless_client final : public byte_stream {
 public:
  endless_client(benchmark::State& state, std::string_view request, int together) : state_{state} {
    for (int i = 0; i < together; ++i) requests_ += request;
    together_ = together;
  }

  result<std::size_t> recv(std::span<std::byte> into) override {
    for (int i = 0; i < together_; ++i) {
      if (!state_.KeepRunning()) return failure(errc::end_of_stream);
    }
    std::memcpy(into.data(), requests_.data(), requests_.size());
    return requests_.size();
  }
  result<std::size_t> send(std::span<const std::byte> from) override {
    benchmark::DoNotOptimize(from.data());
    return from.size();
  }
  result<void> send_all(std::span<const std::byte> from) override {
    benchmark::DoNotOptimize(from.data());
    return {};
  }
  result<void> shutdown_send() override { return {}; }
  void close() noexcept override {}

 private:
  benchmark::State& state_;
  std::string requests_;
  int together_ = 1;
};

void serve(benchmark::State& state, std::string_view request, int together) {
  router routes;
  routes.get("/hello", [](auto&, auto& response) { response.text("Hello world!"); });
  routes.get("/photos",
             [](auto& asked, auto& response) { response.text(asked.query_parameter("limit").value_or("")); });
  server serving{std::move(routes)};
  endless_client client{state, request, together};
  serving.serve_connection(client);
}
BENCHMARK_CAPTURE(serve, small, small_get, 1);
BENCHMARK_CAPTURE(serve, browser, browser_get, 1);
BENCHMARK_CAPTURE(serve, small_16_pipelined, small_get, 16);

}  // namespace
}  // namespace weft::http
