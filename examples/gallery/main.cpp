// The photo gallery: a service whose requests are both kinds of work that backends mix. See service.hpp for its routes.

#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <variant>

#include <fmt/format.h>

#include <weft/http/request.hpp>
#include <weft/http/server.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/tcp.hpp>
#include <weft/observe/recorder.hpp>

#include "../support/termination.hpp"
#include "access_log.hpp"
#include "library.hpp"
#include "memory_limit.hpp"
#include "models.hpp"
#include "moderator.hpp"
#include "options.hpp"
#include "request_log.hpp"
#include "service.hpp"

namespace gallery {
namespace {

/// From a slow sender's body at least this much is expected in a second.
constexpr std::uint64_t least_upload_bytes_per_second = 4096;

void complain(std::string_view message) { fmt::print(stderr, "gallery: {}\n", message); }

startup<weft::tcp_listener> listen(const options& wanted) {
  const auto where = weft::endpoint::parse(wanted.address, wanted.port);
  if (!where) {
    return std::unexpected(startup_failure{
        fmt::format("{} is no address to listen on: give one like 127.0.0.1, 0.0.0.0 or ::1", wanted.address)});
  }
  if (!where->is_loopback() && wanted.token_file.empty()) {
    return std::unexpected(startup_failure{fmt::format(
        "{} can be reached by others, who could change the gallery: give a token with --token-file", wanted.address)});
  }
  auto listener = weft::tcp_listener::bind(*where);
  if (listener) return std::move(*listener);
  const auto advice = listener.error() == std::errc::address_in_use
                          ? ": another program uses this port; choose another one with --port"
                          : ": " + listener.error().message();
  return std::unexpected(startup_failure{fmt::format("cannot listen on {}{}", where->to_string(), advice)});
}

startup<access_policy::settings> access_settings(const options& wanted) {
  access_policy::settings result{.hosts = wanted.hosts};
  if (wanted.token_file.empty()) return result;
  auto token = read_token(wanted.token_file);
  if (!token) return std::unexpected(std::move(token.error()));
  result.token = std::move(*token);
  return result;
}

std::string what_was_thrown(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& failed) {
    return failed.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

weft::http::server_options limits_for(const options& wanted, weft::http::request_observer& observer) {
  weft::http::server_options limits;
  limits.header_timeout = limits.body_idle_timeout = limits.body_grace = wanted.client_patience;
  limits.send_timeout = 3 * wanted.client_patience;
  limits.min_body_bytes_per_second = least_upload_bytes_per_second;
  limits.max_connections = wanted.max_connections;
  limits.observer = &observer;
  limits.on_accept_error = [](std::error_code why, std::chrono::nanoseconds) {
    complain(fmt::format("cannot accept connections: {}; trying again", why.message()));
  };
  limits.on_exception = [](const weft::http::request& failed, const std::exception_ptr& thrown) {
    complain(fmt::format("{} {} failed: {}", failed.method_name(), failed.path(), what_was_thrown(thrown)));
  };
  adapt(limits, wanted.model);
  return limits;
}

startup<void> serve_gallery(const options& wanted, termination& signals) {
  auto access = access_settings(wanted);
  if (!access) return std::unexpected(std::move(access.error()));
  auto judging = moderator::create({.url = wanted.moderator, .patience = wanted.moderator_patience});
  if (!judging) return std::unexpected(std::move(judging.error()));
  // The port first: it is what a second start by mistake finds taken.
  auto listener = listen(wanted);
  if (!listener) return std::unexpected(std::move(listener.error()));
  auto photos = library::open({.folder = wanted.data, .key_file = wanted.key_file, .tell_operator = complain});
  if (!photos) return std::unexpected(std::move(photos.error()));
  for (const auto& line : describe((*photos)->recovered(), (*photos)->files())) complain(line);
  std::unique_ptr<access_log> log;
  if (wanted.access_log) {
    auto opened = access_log::open((*photos)->files().access_log_file(), complain);
    if (!opened) return std::unexpected(std::move(opened.error()));
    log = std::move(*opened);
  }

  // The rest is for the photos that are sent out, the database's cache and the program.
  const std::size_t memory = memory_limit();
  weft::observe::recorder figures({.service = "gallery", .model = std::string(name(wanted.model))});
  service handlers(**photos, **judging, figures,
                   {.uploads_at_once = wanted.uploads_at_once,
                    .upload_patience = wanted.client_patience,
                    .decoding_bytes = memory / 2,
                    .holding_bytes = memory / 4,
                    .access = std::move(*access)});
  request_log observer(figures, log.get());
  weft::http::server server(handlers.routes(), limits_for(wanted, observer));
  observer.watch(server.routes());

  signals.then([&server] { server.stop(); });
  fmt::print("gallery: listening on http://{} (model: {})\n", listener->local().to_string(), name(wanted.model));
  fmt::print("gallery: photos are in {}, moderated by {}\n", wanted.data.string(), (*judging)->url());
  fmt::print("gallery: up to {} MiB to decode photos, {} MiB to hold those that come\n", memory / 2 >> 20,
             memory / 4 >> 20);
  std::fflush(stdout);
  const auto served = serve(server, *listener, wanted.model, wanted.pool_threads);
  signals.stop_waiting();
  if (!served) return std::unexpected(startup_failure{"cannot accept connections: " + served.error().message()});
  fmt::print("gallery: stopped\n");
  return {};
}

int run(const options& wanted, termination& signals) {
  try {
    return run_under(wanted.model, [&] {
      const auto served = serve_gallery(wanted, signals);
      if (!served) complain(served.error().message);
      return served ? 0 : 1;
    });
  } catch (const std::exception& failed) {
    complain(failed.what());
    return 1;
  }
}

}  // namespace
}  // namespace gallery

int main(int count, char** arguments) {
  const auto parsed = gallery::parse_options(count, arguments);
  if (const auto* done = std::get_if<gallery::exit_code>(&parsed)) return done->value;
  // A file that reaches a limit is an error to answer, a peer that has gone too; neither is a reason to die.
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  termination signals;
  return gallery::run(std::get<gallery::options>(parsed), signals);
}
