#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "files.hpp"
#include "problem.hpp"

namespace gallery {

/// Encrypts what is stored: AES-256-GCM with one key and a random nonce each time.
///
/// What is sealed carries a label, which is not stored but must be given again: a file that was exchanged for another
/// one does not open. With random nonces one key is good for about four thousand million sealings (NIST SP 800-38D).
///
///     sealed = "weftseal" | version 1 | nonce (12 bytes) | ciphertext (as long as the contents) | tag (16 bytes)
///
/// Thread: any, for every const member, at the same time.
class vault {
 public:
  static constexpr std::size_t key_bytes = 32;
  static constexpr std::size_t overhead_bytes = 8 + 1 + 12 + 16;
  using key = std::array<std::byte, key_bytes>;

  explicit vault(const key& secret) noexcept : key_(secret) {}
  vault(vault&& other) noexcept : key_(other.key_) {}
  ~vault();

  /// With capacity for `room_behind` more bytes.
  [[nodiscard]] bytes seal(std::string_view label, std::span<const std::byte> contents,
                           std::size_t room_behind = 0) const;

  /// Nothing if the key or the label is another one, or if a bit was changed.
  [[nodiscard]] std::optional<bytes> unseal(std::string_view label, std::span<const std::byte> sealed) const;

 private:
  key key_;
};

/// What is in a data folder already, sealed with some key.
enum class contents_by_key {
  none,        ///< there is nothing yet
  opened,      ///< this key opens some of it
  not_opened,  ///< this key opens none of it
};
using try_key = std::function<contents_by_key(const vault&)>;

/// The vault of a data folder. The first time, makes a new key in `key_file`, which only its owner may read; later
/// starts check that the key is still the one that the folder was begun with, by a sample that is sealed in it. Where
/// the sample is gone, `try_on_contents` says whether the key opens what else is there.
[[nodiscard]] startup<vault> open_vault(const std::filesystem::path& data_folder, const std::filesystem::path& key_file,
                                        const try_key& try_on_contents);

/// The SHA-256 of `contents`, in lower-case hexadecimal.
[[nodiscard]] std::string sha256(std::span<const std::byte> contents);

/// Bytes that nobody can guess.
void fill_randomly(std::span<std::byte> target);

/// Lower-case hexadecimal.
[[nodiscard]] std::string hexadecimal(std::span<const std::byte> contents);

}  // namespace gallery
