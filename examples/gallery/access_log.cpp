#include "access_log.hpp"

#include <chrono>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <weft/task/sleep.hpp>

namespace gallery {
namespace {

constexpr std::size_t most_waiting_lines = 8192;
constexpr std::size_t most_bytes_at_once = 64 * 1024;
// Between two writes: under load few large ones, while the line of a lone request is written at once.
constexpr std::chrono::milliseconds pause_after_write{20};

/// When not all of it was written, a piece of a line is ended by the next write's first line break.
weft::result<void> append_all(weft::file& file, std::string_view text) {
  auto rest = std::as_bytes(std::span(text));
  while (!rest.empty()) {
    const auto written = file.append(rest);
    if (!written) return std::unexpected(written.error());
    rest = rest.subspan(*written);
  }
  return {};
}

}  // namespace

startup<std::unique_ptr<access_log>> access_log::open(const std::filesystem::path& file, trouble::tell tell_operator) {
  auto opened = weft::file::open(
      file, {.access = weft::file_access::append, .creation = weft::file_creation::when_missing, .permissions = 0640});
  if (!opened) {
    return std::unexpected(
        startup_failure{fmt::format("cannot write the access log {}: {}", file.string(), opened.error().message())});
  }
  return std::unique_ptr<access_log>(new access_log(std::move(*opened), std::move(tell_operator)));
}

access_log::access_log(weft::file file, trouble::tell tell_operator)
    : file_(std::move(file)),
      disk_(std::move(tell_operator)),
      lines_(most_waiting_lines),
      writing_("access log", [this] { write_lines(); }) {}

access_log::~access_log() {
  lines_.close();
  writing_.join();
}

void access_log::append(std::string line) noexcept {
  if (!lines_.try_send(std::move(line))) count_lost();
}

void access_log::count_lost(std::uint64_t lines) noexcept {
  // relaxed: a count that is read now and then
  lost_.fetch_add(lines, std::memory_order_relaxed);
}

void access_log::write_lines() {
  std::string text;
  while (const auto first = lines_.recv()) {
    try {
      write_from(text, *first);
    } catch (const std::bad_alloc&) {
      count_lost();
    }
  }
}

/// `first`, and what else has come.
void access_log::write_from(std::string& text, const std::string& first) {
  text = first;
  text += '\n';
  std::uint64_t lines = 1;
  while (text.size() < most_bytes_at_once) {
    const auto next = lines_.try_recv();
    if (!next) break;
    text += *next;
    text += '\n';
    ++lines;
  }
  // relaxed: a count that is read now and then
  if (const auto lost = lost_.exchange(0, std::memory_order_relaxed)) text += fmt::format("# {} lines lost\n", lost);
  if (const auto written = append_all(file_, text)) {
    disk_.works();
  } else {
    disk_.failed("cannot write the access log", written.error().message());
    count_lost(lines);
  }
  if (text.size() < most_bytes_at_once) static_cast<void>(weft::sleep(pause_after_write));
}

}  // namespace gallery
