#include "vault.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <weft/fs/file.hpp>

namespace gallery {
namespace {

constexpr std::string_view magic = "weftseal\x01";
constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;
constexpr std::string_view sample_name = "key-check";
constexpr std::string_view sample_label = "key-check";
constexpr std::string_view sample_contents = "This folder's photos are sealed with the key that opens this.";

using cipher_context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

/// OpenSSL fails here only for want of memory or of a working random generator.
void expect_success(int outcome) {
  if (outcome != 1) throw std::runtime_error("OpenSSL failed");
}

cipher_context new_context() {
  cipher_context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  if (!context) throw std::bad_alloc();
  return context;
}

unsigned char* octets(std::byte* memory) { return reinterpret_cast<unsigned char*>(memory); }
const unsigned char* octets(const std::byte* memory) { return reinterpret_cast<const unsigned char*>(memory); }
std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

/// The header and the label are authenticated though not encrypted.
template <auto Update>
void authenticate(EVP_CIPHER_CTX* context, std::string_view label) {
  int ignored = 0;
  for (const std::string_view text : {magic, label}) {
    expect_success(Update(context, nullptr, &ignored, octets(as_bytes(text).data()), static_cast<int>(text.size())));
  }
}

std::optional<std::byte> nibble(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<std::byte>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<std::byte>(digit - 'a' + 10);
  return std::nullopt;
}

std::optional<vault::key> parse_key(std::span<const std::byte> file) {
  if (file.size() != vault::key_bytes * 2 + 1 || file.back() != std::byte{'\n'}) return std::nullopt;
  vault::key result;
  for (std::size_t index = 0; index < result.size(); ++index) {
    const auto high = nibble(static_cast<char>(file[index * 2]));
    const auto low = nibble(static_cast<char>(file[index * 2 + 1]));
    if (!high || !low) return std::nullopt;
    result[index] = *high << 4 | *low;
  }
  return result;
}

/// Gives `path` its contents at once or not at all, and never replaces a file.
weft::result<void> create_atomically(const std::filesystem::path& path, std::span<const std::byte> contents) {
  const auto temporary = path.parent_path() / fmt::format("{}.{}.part", path.filename().string(), ::getpid());
  ::unlink(temporary.c_str());
  if (auto created = create_durably(temporary, contents); !created) return created;
  const int failed = ::link(temporary.c_str(), path.c_str()) == 0 ? 0 : errno;
  ::unlink(temporary.c_str());
  if (failed != 0) return weft::failure_from_errno(failed);
  return weft::sync_directory(path.has_parent_path() ? path.parent_path() : ".");
}

startup_failure cannot(std::string_view what, const std::filesystem::path& path, const std::error_code& why) {
  return {fmt::format("cannot {} {}: {}", what, path.string(), why.message())};
}

startup<vault::key> load_key(const std::filesystem::path& key_file) {
  struct stat status{};
  if (::stat(key_file.c_str(), &status) != 0) {
    return std::unexpected(cannot("read the key", key_file, {errno, std::system_category()}));
  }
  if (!S_ISREG(status.st_mode)) {
    return std::unexpected(startup_failure{fmt::format("the key {} is no file", key_file.string())});
  }
  if ((status.st_mode & 077) != 0) {
    return std::unexpected(startup_failure{
        fmt::format("the key {} can be read by others than its owner: chmod 600 it", key_file.string())});
  }
  auto file = read_whole(key_file);
  if (!file) return std::unexpected(cannot("read the key", key_file, file.error()));
  const auto parsed = parse_key(*file);
  OPENSSL_cleanse(file->data(), file->size());
  if (!parsed) {
    return std::unexpected(startup_failure{fmt::format(
        "the key {} is damaged: it should hold {} hexadecimal digits and a line break; restore it from a copy",
        key_file.string(), vault::key_bytes * 2)});
  }
  return *parsed;
}

startup<void> create_key(const std::filesystem::path& key_file) {
  vault::key fresh;
  fill_randomly(fresh);
  std::string text = hexadecimal(fresh) + '\n';
  const auto created = create_atomically(key_file, as_bytes(text));
  OPENSSL_cleanse(text.data(), text.size());
  OPENSSL_cleanse(fresh.data(), fresh.size());
  if (!created) return std::unexpected(cannot("create the key", key_file, created.error()));
  return {};
}

bool opens_sample(const vault& opened, std::span<const std::byte> sample) {
  const auto contents = opened.unseal(sample_label, sample);
  return contents && std::ranges::equal(*contents, as_bytes(sample_contents));
}

}  // namespace

vault::~vault() { OPENSSL_cleanse(key_.data(), key_.size()); }

bytes vault::seal(std::string_view label, std::span<const std::byte> contents, std::size_t room_behind) const {
  bytes sealed;
  sealed.reserve(contents.size() + overhead_bytes + room_behind);
  sealed.resize(contents.size() + overhead_bytes);
  std::ranges::copy(as_bytes(magic), sealed.begin());
  std::byte* const nonce = sealed.data() + magic.size();
  std::byte* const text = nonce + nonce_bytes;
  std::byte* const tag = text + contents.size();
  fill_randomly({nonce, nonce_bytes});

  const auto context = new_context();
  int length = 0;
  expect_success(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, octets(key_.data()), octets(nonce)));
  authenticate<&EVP_EncryptUpdate>(context.get(), label);
  expect_success(EVP_EncryptUpdate(context.get(), octets(text), &length, octets(contents.data()),
                                   static_cast<int>(contents.size())));
  expect_success(EVP_EncryptFinal_ex(context.get(), octets(text) + length, &length));
  expect_success(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, tag));
  return sealed;
}

std::optional<bytes> vault::unseal(std::string_view label, std::span<const std::byte> sealed) const {
  if (sealed.size() < overhead_bytes) return std::nullopt;
  if (!std::ranges::equal(sealed.first(magic.size()), as_bytes(magic))) return std::nullopt;
  const auto nonce = sealed.subspan(magic.size(), nonce_bytes);
  const auto text = sealed.subspan(magic.size() + nonce_bytes, sealed.size() - overhead_bytes);
  std::array<std::byte, tag_bytes> tag;
  std::ranges::copy(sealed.last(tag_bytes), tag.begin());

  bytes contents(text.size());
  const auto context = new_context();
  int length = 0;
  expect_success(
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, octets(key_.data()), octets(nonce.data())));
  authenticate<&EVP_DecryptUpdate>(context.get(), label);
  expect_success(EVP_DecryptUpdate(context.get(), octets(contents.data()), &length, octets(text.data()),
                                   static_cast<int>(text.size())));
  expect_success(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()));
  if (EVP_DecryptFinal_ex(context.get(), octets(contents.data()) + length, &length) != 1) return std::nullopt;
  return contents;
}

startup<vault> open_vault(const std::filesystem::path& data_folder, const std::filesystem::path& key_file,
                          const try_key& try_on_contents) {
  const auto sample_file = data_folder / sample_name;
  const auto sample = read_whole(sample_file);
  if (!sample && sample.error() != std::errc::no_such_file_or_directory) {
    return std::unexpected(cannot("read", sample_file, sample.error()));
  }
  if (!std::filesystem::exists(key_file)) {
    const bool begun = sample || try_on_contents(vault(vault::key{})) != contents_by_key::none;
    if (begun) {
      return std::unexpected(
          startup_failure{fmt::format("the photos in {} are encrypted, and their key is missing: put it back to {}",
                                      data_folder.string(), key_file.string())});
    }
    if (auto created = create_key(key_file); !created) return std::unexpected(std::move(created.error()));
  }
  auto loaded = load_key(key_file);
  if (!loaded) return std::unexpected(std::move(loaded.error()));
  vault opened(*loaded);
  OPENSSL_cleanse(loaded->data(), loaded->size());

  const bool fits = sample ? opens_sample(opened, *sample) : try_on_contents(opened) != contents_by_key::not_opened;
  if (!fits) {
    return std::unexpected(
        startup_failure{fmt::format("the key {} is not the one that the photos in {} are encrypted with",
                                    key_file.string(), data_folder.string())});
  }
  if (sample) return opened;
  const auto created = create_atomically(sample_file, opened.seal(sample_label, as_bytes(sample_contents)));
  if (!created) return std::unexpected(cannot("write", sample_file, created.error()));
  return opened;
}

std::string sha256(std::span<const std::byte> contents) {
  std::array<std::byte, 32> digest;
  unsigned length = 0;
  expect_success(EVP_Digest(contents.data(), contents.size(), octets(digest.data()), &length, EVP_sha256(), nullptr));
  return hexadecimal(digest);
}

void fill_randomly(std::span<std::byte> target) {
  expect_success(RAND_priv_bytes(octets(target.data()), static_cast<int>(target.size())));
}

std::string hexadecimal(std::span<const std::byte> contents) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(contents.size() * 2);
  for (const std::byte each : contents) {
    text += digits[std::to_integer<std::size_t>(each >> 4)];
    text += digits[std::to_integer<std::size_t>(each & std::byte{15})];
  }
  return text;
}

}  // namespace gallery
