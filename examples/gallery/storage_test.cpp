#include "storage.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/folder.hpp"

namespace {

using gallery::part;
using gallery::photo_id;
using gallery::piece;
using gallery::storage;

const photo_id first = *photo_id::parse("0123456789abcdef0123456789abcdef");
const photo_id second = *photo_id::parse("ff23456789abcdef0123456789abcdef");

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

const std::vector<piece> pieces{{part::original, as_bytes("original")},
                                {part::large_thumbnail, as_bytes("large")},
                                {part::small_thumbnail, as_bytes("small")}};

std::string text_of(const weft::result<gallery::bytes>& contents) {
  if (!contents) return contents.error().message();
  return {reinterpret_cast<const char*>(contents->data()), contents->size()};
}

class store : public testing::Test {
 protected:
  storage open() {
    auto opened = storage::open(folder.path());
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }

  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "photos")) {
      if (entry.is_regular_file()) names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }

  void leave(const photo_id& photo, std::string_view suffix) const {
    std::ofstream(folder / "photos" / std::string(photo.text().substr(0, 2)) /
                  (std::string(photo.text()) + std::string(suffix)))
        << "left";
  }

  temporary_folder folder;
};

TEST_F(store, what_was_put_is_got) {
  const storage opened = open();
  ASSERT_TRUE(opened.put(first, pieces));
  EXPECT_EQ(text_of(opened.get(first, part::original)), "original");
  EXPECT_EQ(text_of(opened.get(first, part::large_thumbnail)), "large");
  EXPECT_EQ(text_of(opened.get(first, part::small_thumbnail)), "small");
  EXPECT_EQ(opened.get(second, part::original).error(), std::errc::no_such_file_or_directory);
}

TEST_F(store, what_was_removed_leaves_nothing) {
  const storage opened = open();
  ASSERT_TRUE(opened.put(first, pieces));
  ASSERT_TRUE(opened.put(second, pieces));
  opened.remove(first);
  EXPECT_EQ(files().size(), 3u);
  opened.remove(second);
  EXPECT_TRUE(files().empty());
}

TEST_F(store, a_put_that_fails_leaves_nothing) {
  const storage opened = open();
  // In the way of the last name.
  std::filesystem::create_directories(folder / "photos" / "01" / (std::string(first.text()) + ".original") / "in");
  EXPECT_FALSE(opened.put(first, pieces));
  EXPECT_TRUE(files().empty());
}

TEST_F(store, a_survey_tells_the_last_runs_unfinished_files_from_all_others) {
  using enum gallery::stored_file::state;
  const auto states = [](const storage& opened) {
    std::map<std::string, gallery::stored_file::state> found;
    for (const auto& each : opened.survey()) {
      const std::string name = each.path.filename();
      found[name.substr(gallery::photo_id::length)] = each.now;
    }
    return found;
  };
  std::string run;
  {
    storage opened = open();
    EXPECT_TRUE(states(opened).empty());
    opened.begin_run();
    ASSERT_TRUE(opened.put(first, pieces));
    std::ifstream(folder / "run") >> run;
    EXPECT_EQ(run.size(), 16u);
  }
  leave(first, ".original." + run + ".new");
  leave(first, ".original." + run + ".gone");
  leave(first, ".original.new");
  leave(first, ".256.0123456789abcdef.gone");
  leave(first, ".notes");
  std::ofstream(folder / "photos" / "README") << "somebody's";
  std::ofstream(folder / "photos" / "ff" / (std::string(first.text()) + ".1024.new")) << "where it is not looked for";
  storage opened = open();
  const std::map<std::string, gallery::stored_file::state> expected{{".original", whole},
                                                                    {".1024", whole},
                                                                    {".256", whole},
                                                                    {".original." + run + ".new", begun},
                                                                    {".original." + run + ".gone", going},
                                                                    {".original.new", strange},
                                                                    {".256.0123456789abcdef.gone", strange},
                                                                    {".1024.new", strange}};
  EXPECT_EQ(states(opened), expected);
  opened.begin_run();
  EXPECT_EQ(states(opened)[".original." + run + ".new"], strange) << "that was the run before the last";
}

TEST_F(store, what_is_set_aside_replaces_nothing) {
  const storage opened = open();
  for (const char* contents : {"first", "second", "third"}) {
    std::ofstream(folder / "photos" / "stray") << contents;
    EXPECT_TRUE(opened.set_aside(folder / "photos" / "stray"));
  }
  EXPECT_EQ(text_of(gallery::read_whole(folder / "set-aside" / "stray")), "first");
  EXPECT_EQ(text_of(gallery::read_whole(folder / "set-aside" / "stray.2")), "second");
  EXPECT_EQ(text_of(gallery::read_whole(folder / "set-aside" / "stray.3")), "third");
  EXPECT_FALSE(opened.set_aside(folder / "photos" / "none"));
}

TEST_F(store, a_second_gallery_on_the_same_folder_is_refused) {
  const storage opened = open();
  for (const bool lock_file_is_gone : {false, true}) {
    if (lock_file_is_gone) std::filesystem::remove(folder / "lock");
    const auto again = storage::open(folder.path());
    ASSERT_FALSE(again);
    EXPECT_NE(again.error().message.find("another gallery"), std::string::npos) << again.error().message;
  }
}

TEST_F(store, a_folder_that_cannot_be_written_is_refused_in_one_line) {
  std::ofstream(folder / "file") << "not a folder";
  const auto opened = storage::open(folder / "file" / "data");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("cannot write"), std::string::npos) << opened.error().message;
  EXPECT_EQ(opened.error().message.find('\n'), std::string::npos);
}

TEST(photo_id, only_what_cannot_leave_its_folder_is_an_id) {
  EXPECT_TRUE(photo_id::parse("0123456789abcdef0123456789abcdef"));
  for (const char* text : {"", "0", "../../../../../../../etc/passwd00", "0123456789abcdef0123456789abcdeg",
                           "0123456789ABCDEF0123456789abcdef", "0123456789abcdef0123456789abcdef0",
                           "..23456789abcdef0123456789abcdef", "/123456789abcdef0123456789abcdef"}) {
    EXPECT_FALSE(photo_id::parse(text)) << text;
  }
  EXPECT_NE(photo_id::random(), photo_id::random());
}

}  // namespace
