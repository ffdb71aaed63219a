#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include <weft/io/file.hpp>
#include <weft/sync/channel.hpp>

#include "background.hpp"
#include "problem.hpp"

namespace gallery {

/// One line for each request, appended to a file. The requests put their lines into a channel; its one receiver writes
/// all that have come together. A disk that cannot keep up costs lines, never answers: how many is written in their
/// place.
class access_log {
 public:
  [[nodiscard]] static startup<std::unique_ptr<access_log>> open(const std::filesystem::path& file);
  ~access_log();

  /// Without its line break. Thread: any. Does not wait.
  void append(std::string line) noexcept;

 private:
  explicit access_log(weft::file file);
  void write_lines();

  weft::file file_;
  weft::channel<std::string> lines_;
  std::atomic<std::uint64_t> lost_ = 0;
  background writing_;
};

}  // namespace gallery
