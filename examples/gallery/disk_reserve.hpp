#pragma once

#include <filesystem>

namespace gallery {

/// Room on the disk that is kept so that photos can be deleted even when it is full otherwise: to delete one, the
/// database must write. It is a file of that size, which is deleted when the room is needed.
/// Thread: one at a time.
class disk_reserve {
 public:
  /// Holds what is held already: the file, if it is there.
  explicit disk_reserve(std::filesystem::path file);

  /// Sees to it that the room is held. False where the disk has not got it.
  [[nodiscard]] bool take() noexcept;
  void give_up() noexcept;

 private:
  std::filesystem::path file_;
  bool held_;
};

}  // namespace gallery
