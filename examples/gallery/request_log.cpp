#include "request_log.hpp"

#include <algorithm>
#include <iterator>
#include <new>
#include <string>

#include <fmt/format.h>

#include <weft/http/request.hpp>

#include "wire.hpp"

namespace gallery {
namespace {

/// A client chooses its target: what could end the line or a field of it is written as \xNN.
void append_escaped(std::string& line, std::string_view text) {
  const auto is_plain = [](char each) { return each > ' ' && each < 0x7f && each != '"' && each != '\\'; };
  const auto plain = std::ranges::find_if_not(text, is_plain) - text.begin();
  line += text.substr(0, static_cast<std::size_t>(plain));
  text.remove_prefix(static_cast<std::size_t>(plain));
  for (const char each : text) {
    if (is_plain(each)) {
      line += each;
    } else {
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", static_cast<unsigned char>(each));
    }
  }
}

}  // namespace

void request_log::watch(const weft::http::router& routes) {
  for (const auto& each : routes.routes()) {
    routes_.push_back(&figures_.add_route(std::string(weft::http::to_string(each->method)), each->pattern));
  }
}

void request_log::on_start(const weft::http::observed_request&) noexcept { figures_.begin(); }

void request_log::count(const weft::http::observed_request& observed) noexcept {
  auto& statistics = observed.route ? *routes_[observed.route->index] : figures_.unmatched();
  const auto took = observed.finished - observed.started;
  const auto status = static_cast<int>(weft::http::to_number(observed.status));
  if (!observed.request) {
    statistics.record(took, observed.waits, status);  // never begun
  } else if (observed.status == weft::http::client_closed_request) {
    figures_.abandon();
  } else {
    figures_.answer(statistics, took, observed.waits, status);
  }
}

void request_log::on_end(const weft::http::observed_request& observed) noexcept {
  count(observed);
  if (!log_) return;
  try {
    log_->append(line_of(observed));
  } catch (const std::bad_alloc&) {
    log_->count_lost();
  }
}

std::string request_log::line_of(const weft::http::observed_request& observed) {
  std::string line = to_text(microseconds_since_1970());
  line += ' ';
  if (const auto* request = observed.request) {
    append_escaped(line, request->peer().empty() ? "-" : request->peer());
    line += ' ';
    append_escaped(line, request->method_name());
    line += ' ';
    append_escaped(line, request->target());
  } else {
    line += "- - -";  // what came was no request
  }
  const auto took = std::chrono::duration<double, std::milli>(observed.finished - observed.started).count();
  fmt::format_to(std::back_inserter(line), " {} {} {:.3f}ms", weft::http::to_number(observed.status),
                 observed.body_bytes, took);
  return line;
}

}  // namespace gallery
