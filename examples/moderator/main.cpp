// A moderation service, as others run them: it takes its time, and then finds every photo fine. The gallery asks it.
//
//     POST /moderate {"id": "…", "sha256": "…", …}  ->  {"verdict": "ok"}, after --delay-ms
//     GET  /health                                  ->  {"status": "ok"}

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <weft/http/error.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/server.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/tcp.hpp>
#include <weft/runtime/run.hpp>
#include <weft/task/sleep.hpp>

#include "../support/arguments.hpp"
#include "../support/termination.hpp"

namespace {

struct options {
  std::string address = "127.0.0.1";
  std::uint16_t port = 9080;
  int delay_ms = 100;
};

constexpr std::size_t max_question_bytes = 64 * 1024;

int complain(std::string_view message) {
  fmt::print(stderr, "moderator: {}\n", message);
  return 1;
}

bool is_question(const std::string& body) {
  const auto asked = nlohmann::json::parse(body, nullptr, false);
  return asked.is_object() && asked.contains("id") && asked["id"].is_string();
}

void moderate(weft::http::request& request, weft::http::response& response, std::chrono::milliseconds delay) {
  const auto body = request.body().read_all(max_question_bytes);
  if (!body) return;  // the server answers that
  if (!is_question(*body)) {
    return response.error(weft::http::status::bad_request, "send a JSON object with the photo's id, as a string");
  }
  if (!weft::sleep(delay)) return response.error(weft::http::status::service_unavailable, "shutting down: try again");
  response.json(R"({"verdict":"ok"})");
}

int serve(const options& wanted, termination& signals) {
  const auto where = weft::endpoint::parse(wanted.address, wanted.port);
  if (!where) return complain(fmt::format("{} is no address to listen on", wanted.address));
  auto listener = weft::tcp_listener::bind(*where);
  if (!listener) {
    return complain(fmt::format("cannot listen on {}: {}", where->to_string(), listener.error().message()));
  }
  weft::http::router routes;
  routes.post("/moderate", [delay = std::chrono::milliseconds(wanted.delay_ms)](auto& request, auto& response) {
    moderate(request, response, delay);
  });
  routes.get("/health", [](auto&, auto& response) { response.json(R"({"status":"ok"})"); });
  weft::http::server server(std::move(routes));
  signals.then([&server] { server.stop(); });
  fmt::print("moderator: listening on http://{}, answers after {} ms\n", listener->local().to_string(),
             wanted.delay_ms);
  std::fflush(stdout);
  const auto served = server.serve(*listener);
  signals.stop_waiting();
  return served ? 0 : complain("cannot accept connections: " + served.error().message());
}

}  // namespace

int main(int count, char** arguments) {
  options wanted;
  CLI::App app("A moderation service that takes its time");
  app.add_option("--address", wanted.address, "the address to listen on")->capture_default_str();
  app.add_option("--port", wanted.port, "the port to listen on; 0 takes a free one")
      ->check(CLI::Range(0, 65'535))
      ->capture_default_str();
  app.add_option("--delay-ms", wanted.delay_ms, "how long an answer takes")
      ->check(CLI::Range(0, 3'600'000))
      ->capture_default_str();
  if (const auto done = parse_arguments(app, count, arguments, "moderator")) return *done;
  std::signal(SIGPIPE, SIG_IGN);
  termination signals;
  try {
    return weft::run([&] { return serve(wanted, signals); });
  } catch (const std::exception& failed) {
    return complain(failed.what());
  }
}
