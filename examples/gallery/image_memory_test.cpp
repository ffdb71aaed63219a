// How much memory a photo takes is counted before it is decoded: here the count is compared with what was allocated.
// And memory that is not to be had is never taken for a damaged photo.

#include "image.hpp"

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <new>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/photos.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GALLERY_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GALLERY_TEST_SANITIZED
#endif
#endif

#if defined(__GLIBC__) && !defined(GALLERY_TEST_SANITIZED)

extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* before, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* memory);
}

namespace {

std::atomic<std::size_t> live{0};
std::atomic<std::size_t> peak{0};

constexpr long never = -1;
std::atomic<long> before_failure{never};  ///< how many allocations go well before one fails
std::atomic<bool> fails_on{false};        ///< all those behind it fail too
std::atomic<long> failures{0};

// relaxed, all: one thread allocates while the test counts.
bool fails() noexcept {
  const long left = before_failure.load(std::memory_order_relaxed);
  if (left == never) return false;
  if (left > 0 || !fails_on.load(std::memory_order_relaxed)) {
    before_failure.store(left - 1, std::memory_order_relaxed);
  }
  if (left == 0) failures.fetch_add(1, std::memory_order_relaxed);
  return left == 0;
}

void* none() noexcept {
  errno = ENOMEM;
  return nullptr;
}

void* counted(void* memory) noexcept {
  if (!memory) return memory;
  const auto bytes = ::malloc_usable_size(memory);
  const auto now = live.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (now > peak.load(std::memory_order_relaxed)) peak.store(now, std::memory_order_relaxed);
  return memory;
}

void discounted(void* memory) noexcept {
  // relaxed: as above
  if (memory) live.fetch_sub(::malloc_usable_size(memory), std::memory_order_relaxed);
}

}  // namespace

// In the place of the C library's, for all libraries of the program.
extern "C" {
void* malloc(std::size_t bytes) { return fails() ? none() : counted(__libc_malloc(bytes)); }
void* calloc(std::size_t count, std::size_t bytes) { return fails() ? none() : counted(__libc_calloc(count, bytes)); }
void* realloc(void* before, std::size_t bytes) {
  if (fails()) return none();
  // While it copies, both are there.
  const std::size_t bytes_before = before ? ::malloc_usable_size(before) : 0;
  void* after = __libc_realloc(before, bytes);
  if (after || bytes == 0) live.fetch_sub(bytes_before, std::memory_order_relaxed);  // relaxed: as above
  return counted(after);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  return fails() ? none() : counted(__libc_memalign(alignment, bytes));
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return ::memalign(alignment, bytes); }
int posix_memalign(void** into, std::size_t alignment, std::size_t bytes) {
  void* made = ::memalign(alignment, bytes);
  if (!made) return ENOMEM;
  *into = made;
  return 0;
}
void free(void* memory) {
  discounted(memory);
  __libc_free(memory);
}
}

namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20;

void expect_counted(const photos::bytes& photo, const std::string& what) {
  const auto header = gallery::inspect(photo);
  ASSERT_TRUE(header) << what << ": " << header.error().message;
  // relaxed: as above
  const auto before = live.load(std::memory_order_relaxed);
  peak.store(before, std::memory_order_relaxed);
  const auto rendered = gallery::render(photo);
  const auto used = peak.load(std::memory_order_relaxed) - before;
  ASSERT_TRUE(rendered) << what << ": " << rendered.error().message;
  std::printf("%-44s %7zu KiB used, %7zu counted\n", what.c_str(), used >> 10, header->working_bytes >> 10);
  EXPECT_LE(used, header->working_bytes) << what;
  EXPECT_LE(header->working_bytes, 2 * used + 12 * mebibyte) << what << ": a budget is worth little that is not used";
}

TEST(image_memory, of_a_png_is_what_is_counted_whatever_its_shape) {
  const struct {
    unsigned width, height;
    photos::png_options options;
  } shapes[] = {{65'500, 1'500, {1, 0, false}}, {65'500, 1'500, {1, 3, false}}, {65'500, 1'500, {1, 0, true}},
                {1'500, 65'500, {1, 0, false}}, {1'500, 65'500, {2, 0, true}},  {65'500, 1, {8, 2, false}},
                {1, 65'500, {8, 2, false}},     {1, 65'500, {16, 6, true}},     {17, 65'500, {16, 6, false}},
                {65'500, 17, {4, 3, true}},     {4'095, 4'095, {8, 2, false}},  {4'095, 4'095, {8, 6, true}},
                {4'096, 4'096, {8, 2, true}},   {4'096, 2'000, {16, 2, false}}, {2'000, 4'096, {16, 4, true}},
                {5'000, 5'000, {8, 3, true}},   {9'000, 9'000, {1, 0, true}},   {1, 1, {8, 2, false}},
                {300, 200, {8, 6, false}}};
  for (const auto& [width, height, options] : shapes) {
    expect_counted(photos::flat_png(width, height, options),
                   "PNG of " + std::to_string(width) + " x " + std::to_string(height) + ", type " +
                       std::to_string(options.colour_type) + ", " + std::to_string(options.depth) + " bits" +
                       (options.interlaced ? ", interlaced" : ""));
  }
}

TEST(image_memory, of_a_jpeg_is_what_is_counted_whatever_its_shape) {
  constexpr int s444 = 0, s422 = 1, s420 = 2, grey = 3, s440 = 4, s411 = 5;
  const struct {
    unsigned width, height;
    photos::jpeg_options options;
  } shapes[] = {{6'000, 4'000, {s420, false}},    {4'000, 3'000, {s444, true}}, {4'000, 3'000, {s420, true}},
                {4'000, 3'000, {grey, true}},     {4'000, 3'000, {s422, true}}, {3'000, 4'000, {s440, true}},
                {4'000, 3'000, {s411, true}},     {65'500, 300, {s444, false}}, {65'500, 1, {s420, true}},
                {1, 65'500, {s411, true}},        {300, 65'500, {s444, true}},  {8'191, 8'191, {s444, false}},
                {1'000, 1'000, {s444, false, 6}}, {1, 1, {s420, true}}};
  for (const auto& [width, height, options] : shapes) {
    expect_counted(photos::jpeg(width, height, options),
                   "JPEG of " + std::to_string(width) + " x " + std::to_string(height) + ", layout " +
                       std::to_string(options.subsampling) + (options.progressive ? ", progressive" : ""));
  }
}

TEST(image_memory, of_any_png_is_small) {
  for (const bool interlaced : {false, true}) {
    const auto header = gallery::inspect(photos::flat_png(10'000, 10'000, {1, 0, interlaced}));
    ASSERT_TRUE(header);
    EXPECT_LE(header->working_bytes, 256 * mebibyte);
  }
}

/// What inspect() and render() make of `photo`: the thumbnails behind each other, or why there are none.
photos::bytes thumbnails_of(const photos::bytes& photo, std::string& refusal) {
  const auto header = gallery::inspect(photo);
  const auto rendered = header ? gallery::render(photo) : std::unexpected(header.error());
  if (!rendered) refusal = rendered.error().message;
  photos::bytes all;
  if (!rendered) return all;
  for (const auto& each : rendered->thumbnails) all.insert(all.end(), each.jpeg.begin(), each.jpeg.end());
  return all;
}

/// Lets the allocations of rendering `photo` fail, one in each run: each of the first hundred, then some.
void expect_want_of_memory_is_told(const photos::bytes& photo, const std::string& what, bool all_behind_fail) {
  std::string refusal;
  const auto wanted = thumbnails_of(photo, refusal);
  ASSERT_EQ(refusal, "") << what;
  long failing = 0;
  for (bool failed = true; failed; failing += failing < 100 ? 1 : 97) {
    photos::bytes made;
    bool threw = false;
    // relaxed, all: as above
    failures.store(0, std::memory_order_relaxed);
    fails_on.store(all_behind_fail, std::memory_order_relaxed);
    before_failure.store(failing, std::memory_order_relaxed);
    try {
      made = thumbnails_of(photo, refusal);
    } catch (const std::bad_alloc&) {
      threw = true;
    }
    before_failure.store(never, std::memory_order_relaxed);
    failed = failures.load(std::memory_order_relaxed) != 0;
    ASSERT_EQ(refusal, "") << what << ", allocation " << failing;
    // libjpeg does with less where it gets less.
    EXPECT_TRUE(threw ? failed : made == wanted) << what << ", allocation " << failing;
  }
  EXPECT_GT(failing, 5) << what;
}

TEST(image_memory, that_is_not_to_be_had_is_no_damage) {
  for (const bool all_behind_fail : {false, true}) {
    expect_want_of_memory_is_told(photos::png(300, 40), "PNG", all_behind_fail);
    expect_want_of_memory_is_told(photos::half_transparent_png(90, 40), "PNG with alpha", all_behind_fail);
    expect_want_of_memory_is_told(photos::flat_png(300, 40, {8, 3, true}), "PNG with a palette", all_behind_fail);
    expect_want_of_memory_is_told(photos::jpeg(300, 40), "JPEG", all_behind_fail);
    expect_want_of_memory_is_told(photos::jpeg(300, 40, {0, true, 6}), "progressive JPEG", all_behind_fail);
  }
}

}  // namespace

#else

TEST(image_memory, can_be_counted_only_where_the_test_may_replace_malloc) {
  GTEST_SKIP() << "a sanitizer, or another C library, does so itself";
}

#endif
