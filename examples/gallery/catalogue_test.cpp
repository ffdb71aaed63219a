#include "catalogue.hpp"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/folder.hpp"

namespace {

using gallery::change;
using gallery::insertion;
using gallery::photo_id;
using gallery::photo_record;
using gallery::removal;

photo_record a_photo(std::string contents) {
  return {.id = photo_id::random(),
          .sha256 = std::move(contents),
          .type = gallery::image_type::png,
          .size = {640, 480},
          .bytes = 12'345,
          .created_us = 1'700'000'000'000'000,
          .verdict = "ok"};
}

class catalogue : public testing::Test {
 protected:
  void SetUp() override {
    const auto ready = gallery::prepare_catalogue(file);
    ASSERT_TRUE(ready) << ready.error().message;
  }

  std::vector<gallery::applied> apply(std::vector<change> changes) {
    auto results = gallery::catalogue_writer(file).apply(changes);
    EXPECT_TRUE(results) << results.error().message;
    return std::move(*results);
  }

  photo_record insert(std::string contents) { return *apply({insertion{a_photo(std::move(contents))}})[0].photo; }

  temporary_folder folder;
  std::filesystem::path file = folder / "catalogue.sqlite";
};

TEST_F(catalogue, a_photo_that_was_inserted_is_found_with_all_that_is_known_of_it) {
  const auto inserted = insert("a");
  gallery::catalogue_reader reader(file);
  const auto found = reader.find(inserted.id).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, inserted.id);
  EXPECT_EQ(found->sha256, "a");
  EXPECT_EQ(found->type, gallery::image_type::png);
  EXPECT_EQ(found->size, (gallery::dimensions{640, 480}));
  EXPECT_EQ(found->bytes, 12'345u);
  EXPECT_EQ(found->created_us, 1'700'000'000'000'000);
  EXPECT_EQ(found->verdict, "ok");
  EXPECT_EQ(reader.find_by_contents("a").value()->id, inserted.id);
  EXPECT_FALSE(reader.find(photo_id::random()).value());
}

TEST_F(catalogue, the_same_contents_twice_are_one_photo) {
  const auto first = insert("a");
  const auto again = apply({insertion{a_photo("a")}, insertion{a_photo("b")}, insertion{a_photo("b")}});
  EXPECT_FALSE(again[0].changed);
  EXPECT_EQ(again[0].photo->id, first.id);
  EXPECT_TRUE(again[1].changed);
  EXPECT_FALSE(again[2].changed);
  EXPECT_EQ(again[2].photo->id, again[1].photo->id);
  EXPECT_EQ(gallery::catalogue_reader(file).all_ids()->size(), 2u);
}

TEST_F(catalogue, a_photo_is_removed_once) {
  const auto photo = insert("a");
  const auto results = apply({removal{photo.id}, removal{photo.id}});
  EXPECT_TRUE(results[0].changed);
  EXPECT_EQ(results[0].photo->sha256, "a");
  EXPECT_FALSE(results[1].changed);
  EXPECT_FALSE(results[1].photo);
}

TEST_F(catalogue, pages_hold_every_photo_once_newest_first) {
  std::vector<std::string> expected;
  for (int index = 0; index < 23; ++index) {
    expected.insert(expected.begin(), insert(std::to_string(index)).sha256);
  }
  gallery::catalogue_reader reader(file);
  for (const unsigned size : {1u, 5u, 22u, 23u, 100u}) {
    std::vector<std::string> seen;
    std::string cursor;
    do {
      const auto page = reader.page(cursor, size).value();
      ASSERT_LE(page.photos.size(), size);
      ASSERT_FALSE(page.photos.empty());
      for (const auto& each : page.photos) seen.push_back(each.sha256);
      cursor = page.next;
    } while (!cursor.empty());
    EXPECT_EQ(seen, expected) << size;
  }
}

TEST_F(catalogue, a_photo_that_arrives_between_two_pages_shifts_nothing) {
  for (const char* contents : {"a", "b", "c"}) insert(contents);
  gallery::catalogue_reader reader(file);
  const auto first = reader.page("", 2).value();
  const auto newer = insert("d");
  apply({removal{first.photos[1].id}});
  const auto second = reader.page(first.next, 2).value();
  ASSERT_EQ(second.photos.size(), 1u);
  EXPECT_EQ(second.photos[0].sha256, "a");
  EXPECT_EQ(reader.page("", 1)->photos[0].id, newer.id);
}

TEST_F(catalogue, an_empty_catalogue_has_one_empty_page) {
  const auto page = gallery::catalogue_reader(file).page("", 10).value();
  EXPECT_TRUE(page.photos.empty());
  EXPECT_EQ(page.next, "");
}

TEST_F(catalogue, cursors_that_no_page_gave_are_refused) {
  gallery::catalogue_reader reader(file);
  for (const char* cursor : {"x", "-1", "0", "1 ", "1;DROP TABLE photos", "ffffffffffffffffff"}) {
    const auto page = reader.page(cursor, 10);
    ASSERT_FALSE(page) << cursor;
    EXPECT_EQ(page.error().status, 400);
  }
}

TEST_F(catalogue, readers_and_the_writer_work_beside_each_other) {
  gallery::catalogue_writer writer(file);
  gallery::catalogue_reader one(file);
  gallery::catalogue_reader other(file);
  for (std::size_t count = 1; count <= 20; ++count) {
    const std::vector<change> changes{insertion{a_photo(std::to_string(count))}};
    ASSERT_TRUE(writer.apply(changes));
    EXPECT_EQ(one.all_ids()->size(), count);
    EXPECT_EQ(other.all_ids()->size(), count);
  }
}

TEST_F(catalogue, a_transaction_that_fails_changes_nothing) {
  gallery::catalogue_writer writer(file);
  auto same_id = a_photo("b");
  const auto first = a_photo("a");
  same_id.id = first.id;
  const std::vector<change> changes{insertion{first}, insertion{same_id}};
  const auto results = writer.apply(changes);
  ASSERT_FALSE(results);
  EXPECT_EQ(results.error().status, 500);
  EXPECT_TRUE(gallery::catalogue_reader(file).all_ids()->empty());
  const std::vector<change> fine{insertion{first}};
  EXPECT_TRUE(writer.apply(fine)) << "the writer goes on after a failure";
}

TEST_F(catalogue, a_full_disk_is_507_and_the_writer_recovers) {
  const auto kept = insert("kept");
  gallery::catalogue_writer writer(file);
  {
    gallery::sqlite::connection limited(file, gallery::sqlite::access::read_write);
    gallery::sqlite::statement pages(limited, "PRAGMA page_count");
    ASSERT_TRUE(pages.step());
    writer.limit_pages(pages.integer(0));
  }
  std::vector<change> changes;
  for (int index = 0; index < 200; ++index) changes.push_back(insertion{a_photo(std::to_string(index))});
  const auto results = writer.apply(changes);
  ASSERT_FALSE(results);
  EXPECT_EQ(results.error().status, 507);
  writer.limit_pages(1'000'000);
  EXPECT_TRUE(writer.apply(changes));
  EXPECT_EQ(gallery::catalogue_reader(file).all_ids()->size(), 201u);
  EXPECT_TRUE(gallery::catalogue_reader(file).find(kept.id).value());
}

TEST_F(catalogue, what_was_applied_is_there_after_reopening) {
  const auto photo = insert("a");
  ASSERT_TRUE(gallery::prepare_catalogue(file));
  EXPECT_TRUE(gallery::catalogue_reader(file).find(photo.id).value());
}

TEST_F(catalogue, damaged_and_foreign_databases_are_refused_in_one_line) {
  for (int index = 0; index < 300; ++index) insert(std::to_string(index));
  const auto size = std::filesystem::file_size(file);
  ASSERT_GT(size, 16'384u);
  const auto refusal = [this] {
    const auto ready = gallery::prepare_catalogue(file);
    EXPECT_FALSE(ready);
    const std::string message = ready ? "" : ready.error().message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  };

  {
    std::fstream damaged(file, std::ios::in | std::ios::out | std::ios::binary);
    damaged.seekp(8192);
    damaged << std::string(4096, 'x');
  }
  EXPECT_NE(refusal().find("damaged"), std::string::npos);
  std::ofstream(file, std::ios::trunc) << std::string(5000, 'x');
  EXPECT_NE(refusal().find("damaged"), std::string::npos);
  std::filesystem::remove(file);
  {
    gallery::sqlite::connection newer(file, gallery::sqlite::access::read_write);
    newer.execute("PRAGMA user_version = 99");
  }
  EXPECT_NE(refusal().find("newer version"), std::string::npos);
}

}  // namespace
