#include "weft/http/h1/chunked_decoder.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include <weft/base/random.hpp>

#include "tests/support/http/seed.hpp"

namespace weft::http::detail {
namespace {

struct decoded {
  std::string body;
  std::string rest;  // input after the end
  std::error_code error;
  bool finished = false;
};

/// Feeds `input` in pieces of `piece_bytes`, taking out at most `out_bytes` at a time.
decoded decode(std::string_view input, std::size_t piece_bytes, std::size_t out_bytes = 64,
               std::uint64_t limit = 1000) {
  chunked_decoder decoder{{.max_body_bytes = limit}};
  decoded all;
  std::string pending;
  std::array<std::byte, 64> out;
  for (bool fed = true; !decoder.finished() && (fed || !pending.empty());) {
    auto done = decoder.decode(pending, std::span{out}.first(out_bytes));
    if (!done) {
      all.error = done.error();
      return all;
    }
    pending.erase(0, done->consumed);
    all.body.append(reinterpret_cast<const char*>(out.data()), done->produced);
    if (done->produced > 0 || decoder.finished()) continue;
    fed = !input.empty();
    if (!fed) break;
    pending += input.substr(0, piece_bytes);
    input.remove_prefix(std::min(piece_bytes, input.size()));
  }
  all.finished = decoder.finished();
  all.rest = pending + std::string{input};
  return all;
}

TEST(chunked_decoder, gives_the_same_body_however_it_is_cut) {
  constexpr std::string_view input =
      "5\r\nhello\r\n1;name=value\r\n \r\n0A\r\nwonderful \r\n005;x=\"q\"\r\nworld\r\n"
      "0\r\nTrailer: x\r\n\r\nGET /next";
  for (std::size_t piece = 1; piece <= input.size(); ++piece) {
    for (std::size_t out = 1; out < 12; ++out) {
      auto all = decode(input, piece, out);
      ASSERT_FALSE(all.error) << piece << ' ' << out;
      ASSERT_TRUE(all.finished) << piece << ' ' << out;
      ASSERT_EQ(all.body, "hello wonderful world");
      ASSERT_EQ(all.rest, "GET /next");
    }
  }
}

TEST(chunked_decoder, an_empty_body_is_one_last_chunk) {
  for (std::size_t piece = 1; piece <= 5; ++piece) {
    auto all = decode("0\r\n\r\n", piece);
    EXPECT_TRUE(all.finished);
    EXPECT_EQ(all.body, "");
  }
}

TEST(chunked_decoder, refuses_bad_sizes_line_ends_and_extensions) {
  for (auto input : {
           "x\r\nhello\r\n0\r\n\r\n",
           "\r\nhello\r\n0\r\n\r\n",
           "5\nhello\r\n0\r\n\r\n",
           "5\r\nhelloX0\r\n\r\n",
           "5\r\nhello0\r\n\r\n",
           "0x5\r\nhello\r\n0\r\n\r\n",
           "-5\r\nhello\r\n0\r\n\r\n",
           "+5\r\nhello\r\n0\r\n\r\n",
           " 5\r\nhello\r\n0\r\n\r\n",
           "5 x\r\nhello\r\n0\r\n\r\n",
           "5\rx\nhello\r\n0\r\n\r\n",
           "10000000000000005\r\nhello\r\n0\r\n\r\n",
           "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
           "5;\r\nhello\r\n0\r\n\r\n",
           "5;a\n\r\nhello\r\n0\r\n\r\n",
           "5\r\nhello\r\n0x\r\n\r\n",
           "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
           "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
           "5\r\nhello\n0\r\n\r\n",
       }) {
    for (std::size_t piece : {1u, 2u, 7u, 100u}) {
      auto all = decode(input, piece);
      EXPECT_EQ(all.error, errc::malformed) << input << " in pieces of " << piece;
      EXPECT_FALSE(all.finished) << input;
    }
  }
}

TEST(chunked_decoder, the_limit_holds_at_its_edge_before_the_chunk_is_read) {
  EXPECT_EQ(decode("5\r\nhello\r\n4\r\nworl\r\n0\r\n\r\n", 100, 64, 10).body, "helloworl");
  EXPECT_EQ(decode("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", 100, 64, 10).body, "helloworld");
  EXPECT_EQ(decode("5\r\nhello\r\n6\r\n", 100, 64, 10).error, errc::too_large);
  EXPECT_EQ(decode("ffffffffffffffff\r\n", 100, 64, 10).error, errc::too_large);
  EXPECT_EQ(decode("1\r\na\r\nffffffffffffffff\r\n", 100, 64, 10).error, errc::too_large);
}

TEST(chunked_decoder, endless_extensions_are_refused) {
  std::string input;
  auto chunk = "1;" + std::string(100, 'x') + "\r\na\r\n";
  for (int i = 0; i < 50; ++i) input += chunk;
  EXPECT_EQ(decode(input, 1000).error, errc::malformed);
}

TEST(chunked_decoder, random_bytes_neither_crash_it_nor_finish_out_of_nothing) {
  auto seed = test::seed();
  base::random random{seed};
  constexpr std::string_view alphabet = "01aF\r\n;=\" x:";
  for (int round = 0; round < 20'000; ++round) {
    std::string input;
    for (auto length = random.below(30); length > 0; --length) {
      input += alphabet[random.below(static_cast<std::uint32_t>(alphabet.size()))];
    }
    auto whole = decode(input, input.size() + 1);
    auto pieces = decode(input, 1 + random.below(4), 1 + random.below(5));
    ASSERT_EQ(whole.finished, pieces.finished) << "seed " << seed << ": " << input;
    ASSERT_EQ(whole.error, pieces.error) << "seed " << seed << ": " << input;
    if (whole.finished) {
      ASSERT_EQ(whole.body, pieces.body) << "seed " << seed << ": " << input;
      ASSERT_EQ(whole.rest, pieces.rest) << "seed " << seed << ": " << input;
    }
  }
}

}  // namespace
}  // namespace weft::http::detail
