#include "vault.hpp"

#include <sys/stat.h>

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/folder.hpp"

namespace {

using gallery::bytes;
using gallery::contents_by_key;
using gallery::vault;

/// Of a folder where there is nothing else.
auto open_vault(const std::filesystem::path& folder, const std::filesystem::path& key) {
  return gallery::open_vault(folder, key, [](const vault&) { return contents_by_key::none; });
}

vault a_vault(unsigned char first = 1) {
  vault::key key{};
  key[0] = std::byte{first};
  return vault(key);
}

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text_of(const bytes& contents) { return {reinterpret_cast<const char*>(contents.data()), contents.size()}; }

void write(const std::filesystem::path& path, std::string_view text) { std::ofstream(path, std::ios::trunc) << text; }

TEST(vault, what_was_sealed_comes_back) {
  const vault opened = a_vault();
  for (const std::size_t size : {0u, 1u, 15u, 16u, 1000u}) {
    const std::string contents(size, 'x');
    const bytes sealed = opened.seal("label", as_bytes(contents));
    EXPECT_EQ(sealed.size(), size + vault::overhead_bytes);
    const auto unsealed = opened.unseal("label", sealed);
    ASSERT_TRUE(unsealed);
    EXPECT_EQ(text_of(*unsealed), contents);
  }
}

TEST(vault, sealing_twice_gives_different_bytes_that_hide_the_contents) {
  const vault opened = a_vault();
  const std::string contents = "a recognisable sentence";
  const bytes first = opened.seal("label", as_bytes(contents));
  EXPECT_NE(first, opened.seal("label", as_bytes(contents)));
  EXPECT_EQ(text_of(first).find("recognisable"), std::string::npos);
}

TEST(vault, one_changed_bit_anywhere_is_noticed) {
  const vault opened = a_vault();
  const bytes sealed = opened.seal("label", as_bytes("contents"));
  for (std::size_t position = 0; position < sealed.size(); ++position) {
    bytes changed = sealed;
    changed[position] ^= std::byte{1};
    EXPECT_FALSE(opened.unseal("label", changed)) << position;
  }
  for (std::size_t kept = 0; kept < sealed.size(); ++kept) {
    EXPECT_FALSE(opened.unseal("label", std::span(sealed).first(kept))) << kept;
  }
}

TEST(vault, another_key_or_label_opens_nothing) {
  const bytes sealed = a_vault(1).seal("label", as_bytes("contents"));
  EXPECT_TRUE(a_vault(1).unseal("label", sealed));
  EXPECT_FALSE(a_vault(2).unseal("label", sealed));
  EXPECT_FALSE(a_vault(1).unseal("another", sealed));
}

TEST(vault, the_first_start_makes_a_key_that_only_its_owner_may_read) {
  const temporary_folder folder;
  ASSERT_TRUE(open_vault(folder.path(), folder / "key"));
  struct stat status{};
  ASSERT_EQ(::stat((folder / "key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(vault, a_later_start_opens_what_an_earlier_one_sealed) {
  const temporary_folder folder;
  const bytes sealed = open_vault(folder.path(), folder / "key")->seal("label", as_bytes("contents"));
  const auto again = open_vault(folder.path(), folder / "key");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->unseal("label", sealed));
}

TEST(vault, a_wrong_key_is_refused_in_one_line) {
  const temporary_folder folder;
  const temporary_folder other;
  ASSERT_TRUE(open_vault(folder.path(), folder / "key"));
  ASSERT_TRUE(open_vault(other.path(), other / "key"));
  const auto opened = open_vault(folder.path(), other / "key");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("is not the one"), std::string::npos) << opened.error().message;
  EXPECT_EQ(opened.error().message.find('\n'), std::string::npos);
}

TEST(vault, where_the_sample_is_gone_the_key_is_tried_on_what_is_there) {
  const temporary_folder folder;
  const bytes sealed = open_vault(folder.path(), folder / "key")->seal("label", as_bytes("contents"));
  const auto open_on_contents = [&] {
    std::filesystem::remove(folder / "key-check");
    return gallery::open_vault(folder.path(), folder / "key", [&](const vault& with) {
      return with.unseal("label", sealed) ? contents_by_key::opened : contents_by_key::not_opened;
    });
  };
  EXPECT_TRUE(open_on_contents());
  EXPECT_TRUE(std::filesystem::exists(folder / "key-check"));
  write(folder / "key", std::string(64, 'a') + "\n");
  const auto refused = open_on_contents();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("is not the one"), std::string::npos) << refused.error().message;
  EXPECT_FALSE(std::filesystem::exists(folder / "key-check")) << "a wrong key gets no sample";
  std::filesystem::remove(folder / "key");
  EXPECT_FALSE(open_on_contents());
  EXPECT_FALSE(std::filesystem::exists(folder / "key"));
}

TEST(vault, a_lost_key_is_never_replaced) {
  const temporary_folder folder;
  ASSERT_TRUE(open_vault(folder.path(), folder / "key"));
  std::filesystem::remove(folder / "key");
  const auto opened = open_vault(folder.path(), folder / "key");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("key is missing"), std::string::npos) << opened.error().message;
  EXPECT_FALSE(std::filesystem::exists(folder / "key"));
}

TEST(vault, a_damaged_key_and_one_that_others_can_read_are_refused) {
  const temporary_folder folder;
  const auto refusal = [&] {
    const auto opened = open_vault(folder.path(), folder / "key");
    return opened ? std::string() : opened.error().message;
  };
  ASSERT_EQ(refusal(), "");
  ::chmod((folder / "key").c_str(), 0640);
  EXPECT_NE(refusal().find("chmod 600"), std::string::npos) << refusal();
  ::chmod((folder / "key").c_str(), 0600);
  for (const std::string& text : {std::string(), std::string(63, 'a') + "\n", std::string(64, 'z') + "\n"}) {
    write(folder / "key", text);
    EXPECT_NE(refusal().find("damaged"), std::string::npos) << refusal();
  }
}

TEST(vault, digests_are_those_of_the_standard) {
  EXPECT_EQ(gallery::sha256(as_bytes("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
