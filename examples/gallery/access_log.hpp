#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include <weft/fs/file.hpp>
#include <weft/sync/channel.hpp>

#include "background.hpp"
#include "problem.hpp"
#include "trouble.hpp"

namespace gallery {

/// One line for each request, appended to a file. The requests put their lines into a channel; its one receiver writes
/// all that have come together. A disk that cannot keep up costs lines, never answers: how many is written in their
/// place. The operator is told of a disk that takes none.
class access_log {
 public:
  [[nodiscard]] static startup<std::unique_ptr<access_log>> open(
      const std::filesystem::path& file, trouble::tell tell_operator = [](std::string_view) {});
  ~access_log();

  /// Without its line break.
  /// Thread: any. Does not wait.
  void append(std::string line) noexcept;

  /// For a line that there is no memory for.
  void count_lost(std::uint64_t lines = 1) noexcept;

 private:
  access_log(weft::file file, trouble::tell tell_operator);
  void write_lines();
  void write_from(std::string& text, const std::string& first);

  weft::file file_;
  trouble disk_;
  weft::channel<std::string> lines_;
  std::atomic<std::uint64_t> lost_ = 0;
  background writing_;
};

}  // namespace gallery
