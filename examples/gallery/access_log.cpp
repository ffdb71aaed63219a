#include "access_log.hpp"

#include <chrono>
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

/// False when not all of it was written. A piece of a line is ended by the next write's first line break.
bool append_all(weft::file& file, std::string_view text) {
  auto rest = std::as_bytes(std::span(text));
  while (!rest.empty()) {
    const auto written = file.append(rest);
    if (!written) return false;
    rest = rest.subspan(*written);
  }
  return true;
}

}  // namespace

startup<std::unique_ptr<access_log>> access_log::open(const std::filesystem::path& file) {
  auto opened = weft::file::open(
      file, {.access = weft::file_access::append, .creation = weft::file_creation::when_missing, .permissions = 0640});
  if (!opened) {
    return std::unexpected(
        startup_failure{fmt::format("cannot write the access log {}: {}", file.string(), opened.error().message())});
  }
  return std::unique_ptr<access_log>(new access_log(std::move(*opened)));
}

access_log::access_log(weft::file file)
    : file_(std::move(file)), lines_(most_waiting_lines), writing_("access log", [this] { write_lines(); }) {}

access_log::~access_log() {
  lines_.close();
  writing_.join();
}

void access_log::append(std::string line) noexcept {
  // relaxed: a count that is read now and then
  if (!lines_.try_send(std::move(line))) lost_.fetch_add(1, std::memory_order_relaxed);
}

void access_log::write_lines() {
  std::string text;
  while (const auto first = lines_.recv()) {
    text = *first + '\n';
    std::uint64_t lines = 1;
    while (text.size() < most_bytes_at_once) {
      const auto next = lines_.try_recv();
      if (!next) break;
      text += *next + '\n';
      ++lines;
    }
    // relaxed: a count that is read now and then
    if (const auto lost = lost_.exchange(0, std::memory_order_relaxed)) text += fmt::format("# {} lines lost\n", lost);
    if (!append_all(file_, text)) lost_.fetch_add(lines, std::memory_order_relaxed);
    if (text.size() < most_bytes_at_once) static_cast<void>(weft::sleep(pause_after_write));
  }
}

}  // namespace gallery
