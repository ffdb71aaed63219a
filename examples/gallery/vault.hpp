#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
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

  [[nodiscard]] bytes seal(std::string_view label, std::span<const std::byte> contents) const;

  /// Nothing if the key or the label is another one, or if a bit was changed.
  [[nodiscard]] std::optional<bytes> unseal(std::string_view label, std::span<const std::byte> sealed) const;

 private:
  key key_;
};

/// The vault of a data folder. The first time, makes a new key in `key_file`, which only its owner may read; later
/// starts check that the key is still the one that the folder was begun with, by a sample that is sealed in it.
[[nodiscard]] startup<vault> open_vault(const std::filesystem::path& data_folder,
                                        const std::filesystem::path& key_file);

/// The SHA-256 of `contents`, in lower-case hexadecimal.
[[nodiscard]] std::string sha256(std::span<const std::byte> contents);

/// Bytes that nobody can guess.
void fill_randomly(std::span<std::byte> target);

/// Lower-case hexadecimal.
[[nodiscard]] std::string hexadecimal(std::span<const std::byte> contents);

}  // namespace gallery
