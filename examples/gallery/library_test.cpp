#include "library.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weft/runtime/run.hpp>
#include <weft/task/detail/task_base.hpp>
#include <weft/task/scope.hpp>

#include "access_log.hpp"
#include "tests/support/folder.hpp"
#include "tests/support/photos.hpp"
#include "wire.hpp"

namespace {

using gallery::library;
using gallery::part;
using gallery::photo_record;

/// On plain OS threads, as `--model single` and its like are, and on virtual threads.
enum class kind { os_threads, virtual_threads };

class library_on : public testing::TestWithParam<kind> {
 protected:
  void run(const std::function<void()>& body) const {
    if (GetParam() == kind::os_threads) return body();
    weft::run(body);
  }

  /// All at the same time.
  void run_each(std::size_t count, const std::function<void(std::size_t)>& body) const {
    if (GetParam() == kind::os_threads) {
      std::vector<std::jthread> threads;
      for (std::size_t index = 0; index < count; ++index) threads.emplace_back(body, index);
    } else {
      weft::scope tasks;
      for (std::size_t index = 0; index < count; ++index) tasks.spawn([&body, index] { body(index); });
    }
  }

  [[nodiscard]] std::unique_ptr<library> open() const {
    auto opened = library::open({.folder = folder.path()});
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }

  [[nodiscard]] std::vector<std::string> stored_files() const {
    std::vector<std::string> contents;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "photos")) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      contents.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return contents;
  }

  temporary_folder folder;
};

struct prepared_photo {
  photos::bytes original;
  gallery::rendition rendered;
  photo_record record;
};

prepared_photo prepare(unsigned width) {
  prepared_photo result{photos::jpeg(width, 40), {}, {.id = gallery::photo_id::random()}};
  result.rendered = gallery::render(result.original).value();
  result.record.sha256 = gallery::sha256(result.original);
  result.record.size = result.rendered.upright;
  result.record.bytes = result.original.size();
  result.record.verdict = "ok";
  return result;
}

TEST_P(library_on, what_was_added_is_read_back_byte_for_byte) {
  run([this] {
    const auto opened = open();
    const auto photo = prepare(60);
    const auto added = opened->add(photo.record, photo.original, photo.rendered);
    ASSERT_TRUE(added) << added.error().message;
    EXPECT_TRUE(added->is_new);
    EXPECT_EQ(opened->read(photo.record.id, part::original)->contents, photo.original);
    EXPECT_EQ(opened->read(photo.record.id, part::large_thumbnail)->contents, photo.rendered.thumbnails[0].jpeg);
    EXPECT_EQ(opened->read(photo.record.id, part::small_thumbnail)->contents, photo.rendered.thumbnails[1].jpeg);
  });
}

TEST_P(library_on, the_bytes_on_the_disk_are_not_the_photos) {
  run([this] {
    const auto opened = open();
    const auto photo = prepare(60);
    ASSERT_TRUE(opened->add(photo.record, photo.original, photo.rendered));
    const auto files = stored_files();
    EXPECT_EQ(files.size(), 3u);
    for (const auto& each : files) {
      EXPECT_EQ(each.find("JFIF"), std::string::npos);
      EXPECT_TRUE(each.starts_with("weftseal"));
    }
  });
}

TEST_P(library_on, the_same_photo_added_by_many_at_once_is_there_once) {
  run([this] {
    const auto opened = open();
    const auto photo = prepare(60);
    std::vector<gallery::outcome<gallery::added_photo>> outcomes(20, std::unexpected(gallery::problem{.status = 0}));
    run_each(outcomes.size(), [&](std::size_t index) {
      auto record = photo.record;
      record.id = gallery::photo_id::random();
      outcomes[index] = opened->add(record, photo.original, photo.rendered);
    });
    std::size_t added = 0;
    for (const auto& each : outcomes) {
      ASSERT_TRUE(each) << each.error().message;
      added += each->is_new ? 1 : 0;
      EXPECT_EQ(each->photo.id, outcomes[0]->photo.id);
    }
    EXPECT_EQ(added, 1u);
    EXPECT_EQ(stored_files().size(), 3u);
  });
}

TEST_P(library_on, many_photos_added_at_once_are_all_there) {
  run([this] {
    const auto opened = open();
    run_each(40, [&](std::size_t index) {
      const auto photo = prepare(static_cast<unsigned>(20 + index));
      EXPECT_TRUE(opened->add(photo.record, photo.original, photo.rendered));
      EXPECT_TRUE(opened->find_by_contents(photo.record.sha256).value());
    });
    EXPECT_EQ(opened->page("", 100)->photos.size(), 40u);
  });
}

TEST_P(library_on, a_removed_photo_is_gone_with_its_files) {
  run([this] {
    const auto opened = open();
    const auto photo = prepare(60);
    ASSERT_TRUE(opened->add(photo.record, photo.original, photo.rendered));
    EXPECT_TRUE(opened->remove(photo.record.id));
    EXPECT_TRUE(stored_files().empty());
    EXPECT_EQ(opened->remove(photo.record.id).error().status, 404);
    EXPECT_EQ(opened->find(photo.record.id).error().status, 404);
    EXPECT_EQ(opened->read(photo.record.id, part::original).error().status, 404);
    EXPECT_TRUE(opened->add(photo.record, photo.original, photo.rendered)) << "it can come back";
  });
}

TEST_P(library_on, an_exchanged_or_missing_file_is_noticed) {
  run([this] {
    const auto opened = open();
    const auto one = prepare(60);
    const auto other = prepare(61);
    ASSERT_TRUE(opened->add(one.record, one.original, one.rendered));
    ASSERT_TRUE(opened->add(other.record, other.original, other.rendered));
    const auto path = [this](const prepared_photo& photo) {
      const std::string id(photo.record.id.text());
      return folder / "photos" / id.substr(0, 2) / (id + ".original");
    };
    std::filesystem::copy_file(path(one), path(other), std::filesystem::copy_options::overwrite_existing);
    EXPECT_EQ(opened->read(other.record.id, part::original).error().code, "photo_damaged");
    std::filesystem::remove(path(one));
    EXPECT_EQ(opened->read(one.record.id, part::original).error().code, "photo_damaged");
  });
}

TEST_P(library_on, what_a_crash_left_behind_is_deleted_at_the_next_start) {
  run([this] {
    const auto photo = prepare(60);
    {
      const auto opened = open();
      ASSERT_TRUE(opened->add(photo.record, photo.original, photo.rendered));
      // As if the process had ended between two names of a photo's files.
      const auto other = gallery::photo_id::random();
      const std::array pieces{gallery::piece{part::small_thumbnail, photo.original}};
      ASSERT_TRUE(opened->files().put(other, pieces));
      std::string run;
      std::ifstream(folder / "run") >> run;
      const std::string id(other.text());
      std::ofstream(folder / "photos" / id.substr(0, 2) / (id + ".original." + run + ".new")) << "unfinished";
    }
    const auto opened = open();
    EXPECT_EQ(opened->recovered().deleted_files, 2u);
    EXPECT_TRUE(opened->recovered().set_aside.empty());
    EXPECT_EQ(opened->read(photo.record.id, part::original)->contents, photo.original);
    EXPECT_EQ(stored_files().size(), 3u);
  });
}

TEST_P(library_on, photos_that_the_catalogue_does_not_know_are_listed_again) {
  run([this] {
    std::vector<prepared_photo> all;
    {
      const auto opened = open();
      for (unsigned index = 0; index < 5; ++index) {
        all.push_back(prepare(20 + index));
        all.back().record.created_us = 1'700'000'000'000'000 + index;
        ASSERT_TRUE(opened->add(all.back().record, all.back().original, all.back().rendered));
      }
    }
    std::filesystem::remove(folder / "catalogue.sqlite");
    const auto opened = open();
    EXPECT_EQ(opened->recovered().listed_again.size(), all.size());
    const auto page = opened->page("", 100).value();
    ASSERT_EQ(page.photos.size(), all.size());
    for (std::size_t index = 0; index < all.size(); ++index) {
      const auto& expected = all[all.size() - 1 - index];
      EXPECT_EQ(gallery::to_json(page.photos[index]), gallery::to_json(expected.record));
      EXPECT_EQ(opened->read(page.photos[index].id, part::original)->contents, expected.original);
    }
  });
}

TEST_P(library_on, the_access_log_holds_every_line_once_it_is_closed) {
  run([this] {
    {
      const auto log = gallery::access_log::open(folder / "access.log").value();
      run_each(8, [&](std::size_t index) {
        for (int count = 0; count < 100; ++count) log->append(std::to_string(index));
      });
    }
    std::ifstream file(folder / "access.log");
    std::vector<std::size_t> counts(8);
    for (std::string line; std::getline(file, line);) ++counts.at(std::stoul(line));
    EXPECT_EQ(counts, std::vector<std::size_t>(8, 100));
  });
}

INSTANTIATE_TEST_SUITE_P(, library_on, testing::Values(kind::os_threads, kind::virtual_threads), [](const auto& each) {
  return each.param == kind::os_threads ? std::string("os_threads") : std::string("virtual_threads");
});

TEST(library, an_addition_that_is_cancelled_is_finished_or_never_begun) {
  const temporary_folder folder;
  weft::run([&] {
    const auto opened = library::open({.folder = folder.path()}).value();
    const auto photo = prepare(60);
    auto task = weft::spawn([&] { return opened->add(photo.record, photo.original, photo.rendered); });
    task.cancel();
    const auto added = task.join();
    const auto files = std::ranges::count_if(std::filesystem::recursive_directory_iterator(folder / "photos"),
                                             [](const auto& entry) { return entry.is_regular_file(); });
    const auto found = opened->find_by_contents(photo.record.sha256).value();
    EXPECT_EQ(added.has_value(), found.has_value());
    EXPECT_EQ(files, added ? 3 : 0);
  });
}

TEST(wire, a_photo_is_a_json_object_with_links) {
  photo_record photo{.id = *gallery::photo_id::parse("0123456789abcdef0123456789abcdef"),
                     .sha256 = "aa",
                     .type = gallery::image_type::png,
                     .size = {640, 480},
                     .bytes = 12'345,
                     .created_us = 1'700'000'000'123'456,
                     .verdict = "ok\xff"};
  EXPECT_EQ(gallery::to_json(photo),
            R"({"id":"0123456789abcdef0123456789abcdef","type":"image/png","width":640,"height":480,"bytes":12345,)"
            R"("sha256":"aa","created_at":"2023-11-14T22:13:20.123456Z","verdict":"ok)"
            "\xef\xbf\xbd"
            R"(","links":{"self":"/photos/0123456789abcdef0123456789abcdef",)"
            R"("original":"/photos/0123456789abcdef0123456789abcdef/original",)"
            R"("thumbnail_256":"/photos/0123456789abcdef0123456789abcdef/thumbnail?size=256",)"
            R"("thumbnail_1024":"/photos/0123456789abcdef0123456789abcdef/thumbnail?size=1024"}})");
  photo.verdict = "\"\\\x01\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80\xc0\xaf";
  const auto json = gallery::to_json(photo);
  EXPECT_NE(json.find("\"verdict\":\"\\\"\\\\\\u0001\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
                      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","),
            std::string::npos)
      << json;
  const gallery::photo_page two{.photos = {photo, photo}};
  EXPECT_EQ(gallery::to_json(two), "{\"photos\":[" + json + "," + json + "],\"next_cursor\":null}");
  EXPECT_EQ(gallery::to_json(gallery::photo_page{}), R"({"photos":[],"next_cursor":null})");
  EXPECT_EQ(gallery::to_json(gallery::photo_page{.next = "7"}), R"({"photos":[],"next_cursor":"7"})");
}

}  // namespace
