#include "image.hpp"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <random>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "exif.hpp"
#include "tests/support/photos.hpp"

namespace {

using gallery::dimensions;
using gallery::image_type;
using photos::bytes;

std::string quarters_of(const gallery::thumbnail& each) {
  std::array<char, 4> names{};
  return std::string(photos::quarters(photos::decode(each.jpeg), names));
}

/// The code of the problem that rendering meets; "" where there is none.
std::string problem_with(const bytes& photo) {
  const auto rendered = gallery::render(photo);
  if (rendered) return "";
  EXPECT_GE(rendered.error().message.size(), 30u) << "says what to do";
  return rendered.error().code;
}

std::size_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

TEST(image, a_jpeg_gets_two_thumbnails_with_its_aspect) {
  const auto rendered = gallery::render(photos::jpeg(2400, 1600));
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(rendered->upright, (dimensions{2400, 1600}));
  ASSERT_EQ(rendered->thumbnails.size(), 2u);
  EXPECT_EQ(rendered->thumbnails[0].size, (dimensions{1024, 683}));
  EXPECT_EQ(rendered->thumbnails[1].size, (dimensions{256, 171}));
  for (const auto& each : rendered->thumbnails) {
    const auto decoded = photos::decode(each.jpeg);
    EXPECT_EQ((dimensions{decoded.width, decoded.height}), each.size);
    EXPECT_EQ(quarters_of(each), "rgbw");
  }
}

TEST(image, a_png_gets_two_thumbnails_with_its_aspect) {
  const auto rendered = gallery::render(photos::png(1200, 1500));
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(rendered->thumbnails[0].size, (dimensions{819, 1024}));
  EXPECT_EQ(rendered->thumbnails[1].size, (dimensions{205, 256}));
  for (const auto& each : rendered->thumbnails) EXPECT_EQ(quarters_of(each), "rgbw");
}

TEST(image, a_small_photo_is_never_enlarged) {
  for (const bytes& photo : {photos::jpeg(300, 200), photos::png(300, 200)}) {
    const auto rendered = gallery::render(photo);
    ASSERT_TRUE(rendered) << rendered.error().message;
    EXPECT_EQ(rendered->thumbnails[0].size, (dimensions{300, 200}));
    EXPECT_EQ(rendered->thumbnails[1].size, (dimensions{256, 171}));
  }
}

TEST(image, sizes_that_no_block_divides_work_down_to_one_pixel) {
  for (const auto [width, height] :
       {dimensions{1, 1}, {2, 1}, {7, 3}, {257, 255}, {1025, 1}, {1, 3000}, {2049, 1023}}) {
    for (const int subsampling : {0, 1, 2, 3, 4, 5}) {
      const auto rendered = gallery::render(photos::jpeg(width, height, {.subsampling = subsampling}));
      ASSERT_TRUE(rendered) << width << "x" << height << ": " << rendered.error().message;
      EXPECT_EQ(rendered->thumbnails[1].size, gallery::fit({width, height}, 256));
    }
    const auto rendered = gallery::render(photos::png(width, height));
    ASSERT_TRUE(rendered) << width << "x" << height << ": " << rendered.error().message;
  }
}

TEST(image, every_chroma_layout_keeps_its_colours) {
  for (const int subsampling : {0, 1, 2, 4, 5}) {
    const auto rendered = gallery::render(photos::jpeg(1801, 1203, {.subsampling = subsampling}));
    ASSERT_TRUE(rendered) << rendered.error().message;
    for (const auto& each : rendered->thumbnails) EXPECT_EQ(quarters_of(each), "rgbw") << subsampling;
  }
}

TEST(image, a_grey_jpeg_stays_grey) {
  const auto rendered = gallery::render(photos::jpeg(1800, 1200, {.subsampling = 3}));
  ASSERT_TRUE(rendered) << rendered.error().message;
  const auto [red, green, blue] = photos::decode(rendered->thumbnails[1].jpeg).at(0.75, 0.75);
  EXPECT_EQ(red, green);
  EXPECT_EQ(green, blue);
  EXPECT_NEAR(red, 240, 4);
}

TEST(image, a_progressive_jpeg_is_as_good_as_any) {
  const auto rendered = gallery::render(photos::jpeg(2400, 1600, {.progressive = true}));
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(quarters_of(rendered->thumbnails[0]), "rgbw");
}

TEST(image, thumbnails_are_upright_in_all_eight_orientations) {
  // What the quarters of a stored "rgbw" become when shown as EXIF's definition of each orientation says.
  static constexpr const char* expected[] = {"rgbw", "grwb", "wbgr", "bwrg", "rbgw", "brwg", "wgbr", "gwrb"};
  for (unsigned orientation = 1; orientation <= 8; ++orientation) {
    const auto rendered = gallery::render(photos::jpeg(1500, 1000, {.orientation = orientation}));
    ASSERT_TRUE(rendered) << rendered.error().message;
    const bool swapped = orientation >= 5;
    EXPECT_EQ(rendered->upright, (swapped ? dimensions{1000, 1500} : dimensions{1500, 1000})) << orientation;
    EXPECT_EQ(rendered->thumbnails[1].size, (swapped ? dimensions{171, 256} : dimensions{256, 171})) << orientation;
    for (const auto& each : rendered->thumbnails) EXPECT_EQ(quarters_of(each), expected[orientation - 1]);
  }
}

TEST(image, white_shows_behind_transparent_pixels) {
  const auto rendered = gallery::render(photos::half_transparent_png(1200, 800));
  ASSERT_TRUE(rendered) << rendered.error().message;
  const auto decoded = photos::decode(rendered->thumbnails[1].jpeg);
  EXPECT_EQ(photos::colour_name(decoded.at(0.2, 0.5)), 'r');
  EXPECT_EQ(photos::colour_name(decoded.at(0.8, 0.5)), 'w');
}

TEST(image, the_parts_of_a_rendition_may_run_at_the_same_time) {
  const bytes photo = photos::jpeg(1500, 1000);
  const auto in_threads = [](std::size_t count, const std::function<void(std::size_t)>& body) {
    std::vector<std::jthread> threads;
    for (std::size_t index = 0; index < count; ++index) threads.emplace_back(body, index);
  };
  const auto alone = gallery::render(photo);
  const auto together = gallery::render(photo, in_threads);
  ASSERT_TRUE(alone && together);
  for (std::size_t index = 0; index < 2; ++index) {
    EXPECT_EQ(alone->thumbnails[index].jpeg, together->thumbnails[index].jpeg);
  }
}

TEST(image, bodies_that_are_no_photo_are_refused_by_their_content) {
  const auto body = [](std::string_view text) {
    const auto view = std::as_bytes(std::span(text));
    return bytes(view.begin(), view.end());
  };
  EXPECT_EQ(problem_with({}), "empty_body");
  EXPECT_EQ(problem_with(body("hello")), "not_a_photo");
  EXPECT_EQ(problem_with(body("GIF89a\x01\x00\x01")), "not_a_photo");
  EXPECT_EQ(problem_with(body("--boundary\r\nContent-Type: image/jpeg\r\n\r\n")), "not_a_photo");
  EXPECT_EQ(problem_with(body("\xff\xd8\xff")), "damaged_photo");
  EXPECT_EQ(problem_with(body("\x89PNG\r\n\x1a\n")), "damaged_photo");
  EXPECT_EQ(problem_with(bytes(gallery::max_photo_bytes + 1, std::byte{0xff})), "too_many_bytes");
  EXPECT_EQ(problem_with(photos::cmyk_jpeg(64, 64)), "unsupported_photo");
}

TEST(image, a_photo_cut_anywhere_is_damaged) {
  for (const bytes& photo :
       {photos::jpeg(320, 200), photos::jpeg(320, 200, {.progressive = true}), photos::png(320, 200)}) {
    for (std::size_t kept = 8; kept < photo.size(); kept += 1 + kept / 16) {
      const bytes cut(photo.begin(), photo.begin() + static_cast<std::ptrdiff_t>(kept));
      EXPECT_EQ(problem_with(cut), "damaged_photo") << kept << " of " << photo.size();
    }
    const bytes without_end(photo.begin(), photo.end() - 1);
    EXPECT_EQ(problem_with(without_end), "damaged_photo");
  }
}

TEST(image, a_jpeg_with_a_broken_tail_is_damaged) {
  bytes photo = photos::jpeg(640, 480);
  for (auto position = photo.end() - 200; position != photo.end() - 2; ++position) *position = std::byte{0xff};
  EXPECT_EQ(problem_with(photo), "damaged_photo");
}

TEST(image, a_png_with_one_flipped_bit_is_damaged) {
  const bytes photo = photos::png(320, 200);
  for (std::size_t position = 12; position < photo.size(); position += 1 + photo.size() / 64) {
    bytes flipped = photo;
    flipped[position] ^= std::byte{0x10};
    EXPECT_NE(problem_with(flipped), "") << position;
  }
}

TEST(image, too_many_pixels_are_refused_from_the_header_alone) {
  const bytes data = photos::deflated_zeroes(1000);
  const photos::chunk chunks[] = {{"IDAT", data}};
  const std::size_t before = peak_memory_bytes();
  EXPECT_EQ(problem_with(photos::grey_png(60'000, 60'000, chunks)), "too_many_pixels");
  EXPECT_EQ(problem_with(photos::grey_png(10'001, 10'000, chunks)), "too_many_pixels");
  EXPECT_EQ(problem_with(photos::grey_png(90'000'000, 1, chunks)), "too_many_pixels");
  EXPECT_EQ(problem_with(photos::grey_png(0xffffffff, 0xffffffff, chunks)), "damaged_photo");
  EXPECT_EQ(problem_with(photos::grey_png(0, 10, chunks)), "damaged_photo");

  bytes photo = photos::jpeg(64, 64);
  for (std::size_t position = 0; position + 9 < photo.size(); ++position) {
    if (photo[position] != std::byte{0xff} || photo[position + 1] != std::byte{0xc0}) continue;
    photo[position + 5] = photo[position + 7] = std::byte{0xf0};  // 61,504 x 61,504 pixels
    break;
  }
  EXPECT_EQ(problem_with(photo), "too_many_pixels");
  EXPECT_LT(peak_memory_bytes() - before, 32u << 20);
}

TEST(image, a_grey_png_made_by_hand_is_whole) {
  const bytes data = photos::deflated_zeroes(65 * 64);
  const photos::chunk chunks[] = {{"IDAT", data}};
  EXPECT_EQ(problem_with(photos::grey_png(64, 64, chunks)), "");
}

TEST(image, a_png_that_unpacks_to_gigabytes_is_refused_in_little_memory) {
  const bytes bomb = photos::deflated_zeroes(1 << 20, 2200);
  const bytes row = photos::deflated_zeroes(65 * 64);
  bytes text = {std::byte{'k'}, std::byte{0}, std::byte{0}};
  text.insert(text.end(), bomb.begin(), bomb.end());

  const std::size_t before = peak_memory_bytes();
  const photos::chunk only_text[] = {{"zTXt", text}, {"IDAT", row}};
  EXPECT_EQ(problem_with(photos::grey_png(64, 64, only_text)), "damaged_photo");
  const photos::chunk only_pixels[] = {{"IDAT", bomb}};
  problem_with(photos::grey_png(64, 64, only_pixels));
  EXPECT_EQ(problem_with(photos::grey_png(46'000, 46'000, only_pixels)), "too_many_pixels");
  EXPECT_LT(peak_memory_bytes() - before, 100u << 20);
}

TEST(image, a_large_pixel_chunk_is_no_bomb) {
  // Extras may unpack to 8 MB; pixels may come in one chunk larger than that.
  std::mt19937 random(7);
  std::vector<std::uint8_t> samples(std::size_t{2000} * 1600 * 3);
  for (auto& each : samples) each = static_cast<std::uint8_t>(random());
  const bytes photo = photos::png(2000, 1600, samples);
  ASSERT_GT(photo.size(), 9u << 20);
  EXPECT_EQ(problem_with(photo), "");
}

TEST(image, a_jpeg_of_hundreds_of_scans_is_refused) {
  bytes photo = photos::jpeg(64, 64, {.progressive = true});
  bytes last_scan;
  for (std::size_t position = 0; position + 1 < photo.size(); ++position) {
    if (photo[position] == std::byte{0xff} && photo[position + 1] == std::byte{0xda}) {
      last_scan.assign(photo.begin() + static_cast<std::ptrdiff_t>(position), photo.end() - 2);
    }
  }
  for (int count = 0; count < 100; ++count) photo.insert(photo.end() - 2, last_scan.begin(), last_scan.end());
  EXPECT_EQ(problem_with(photo), "unsupported_photo");
}

TEST(image, damaged_exif_data_never_turns_a_photo_nor_reads_outside) {
  const auto seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  const bytes photo = photos::jpeg(16, 8, {.orientation = 6});
  const std::span tiff = std::span(photo).subspan(2 + 4 + 6, 26);
  ASSERT_EQ(gallery::read_orientation(tiff), gallery::orientation::quarter_right);
  for (std::size_t kept = 0; kept < 20; ++kept) {
    const bytes copy(tiff.begin(), tiff.begin() + static_cast<std::ptrdiff_t>(kept));
    EXPECT_EQ(gallery::read_orientation(copy), gallery::orientation::upright) << kept;
  }
  for (int round = 0; round < 20'000; ++round) {
    bytes copy(tiff.begin(), tiff.end());
    for (int count = 0; count < 4; ++count) copy[random() % copy.size()] = static_cast<std::byte>(random());
    const auto held = static_cast<unsigned>(gallery::read_orientation(copy));
    ASSERT_TRUE(held >= 1 && held <= 8);
  }
}

TEST(image, random_damage_never_crashes_the_decoders) {
  const auto seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  for (const bytes& photo :
       {photos::jpeg(120, 90), photos::jpeg(120, 90, {.progressive = true, .orientation = 6}), photos::png(120, 90)}) {
    for (int round = 0; round < 150; ++round) {
      bytes damaged = photo;
      for (unsigned count = 1 + random() % 8; count > 0; --count) {
        damaged[random() % damaged.size()] = static_cast<std::byte>(random());
      }
      const auto rendered = gallery::render(damaged);
      if (rendered) {
        EXPECT_EQ(rendered->thumbnails.size(), 2u);
      }
    }
  }
}

TEST(image, the_size_that_fits_keeps_the_aspect) {
  EXPECT_EQ(gallery::fit({4000, 3000}, 1024), (dimensions{1024, 768}));
  EXPECT_EQ(gallery::fit({3000, 4000}, 256), (dimensions{192, 256}));
  EXPECT_EQ(gallery::fit({65'000, 1}, 256), (dimensions{256, 1}));
  EXPECT_EQ(gallery::fit({256, 256}, 256), (dimensions{256, 256}));
}

}  // namespace
