#include "catalogue.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

namespace gallery {
namespace {

/// Each entry brings the tables from the version that is its index to the next one.
constexpr const char* migrations[] = {
    R"(CREATE TABLE photos (
         sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
         id         TEXT    NOT NULL UNIQUE,
         sha256     TEXT    NOT NULL UNIQUE,
         type       TEXT    NOT NULL CHECK (type IN ('jpeg', 'png')),
         width      INTEGER NOT NULL,
         height     INTEGER NOT NULL,
         bytes      INTEGER NOT NULL,
         created_us INTEGER NOT NULL,
         verdict    TEXT    NOT NULL
       ) STRICT;)",
};
constexpr std::int64_t newest_version = std::size(migrations);

constexpr std::string_view select_photo =
    "SELECT id, sha256, type, width, height, bytes, created_us, verdict, sequence FROM photos ";
constexpr int sequence_column = 8;

/// Every connection's settings: a commit is on the disk before it returns, readers and the writer do not wait for each
/// other.
constexpr const char* settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

sqlite::connection open_writing(const std::filesystem::path& file) {
  sqlite::connection database(file, sqlite::access::read_write);
  database.execute(settings);
  return database;
}

std::int64_t single_integer(sqlite::connection& database, std::string_view query) {
  sqlite::statement prepared(database, query);
  return prepared.step() ? prepared.integer(0) : 0;
}

photo_record record_from(const sqlite::statement& row) {
  const auto id = photo_id::parse(row.text(0));
  if (!id) throw sqlite::error(0, "a photo's id is damaged: " + row.text(0));
  return {.id = *id,
          .sha256 = row.text(1),
          .type = row.text(2) == "png" ? image_type::png : image_type::jpeg,
          .size = {static_cast<unsigned>(row.integer(3)), static_cast<unsigned>(row.integer(4))},
          .bytes = static_cast<std::uint64_t>(row.integer(5)),
          .created_us = row.integer(6),
          .verdict = row.text(7)};
}

std::optional<photo_record> single_record(sqlite::statement& query) {
  const sqlite::resetting at_end(query);
  if (!query.step()) return std::nullopt;
  auto found = record_from(query);
  while (query.step()) {  // a deletion is done when its rows were fetched
  }
  return found;
}

problem database_problem(const sqlite::error& failed) {
  if (failed.disk_is_full()) return disk_full();
  return {
      500, "database_failed",
      fmt::format("the server's database failed ({}): try again, and tell the operator if it stays", failed.what())};
}

template <class Query>
auto guarded(Query&& query) -> outcome<decltype(query())> {
  try {
    return query();
  } catch (const sqlite::error& failed) {
    return std::unexpected(database_problem(failed));
  }
}

std::string cursor_of(std::int64_t sequence) { return fmt::format("{:x}", sequence); }

std::optional<std::int64_t> parse_cursor(std::string_view cursor) {
  if (cursor.empty()) return std::numeric_limits<std::int64_t>::max();
  std::int64_t sequence = 0;
  const auto [end, failed] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), sequence, 16);
  if (failed != std::errc{} || end != cursor.data() + cursor.size() || sequence < 1) return std::nullopt;
  return sequence;
}

startup<void> migrate(sqlite::connection& database, const std::filesystem::path& file) {
  const std::int64_t version = single_integer(database, "PRAGMA user_version");
  if (version < 0 || version > newest_version) {
    return std::unexpected(startup_failure{fmt::format(
        "the database {} was written by a newer version of the gallery ({} where this one knows {}): use that",
        file.string(), version, newest_version)});
  }
  for (std::int64_t step = version; step < newest_version; ++step) {
    database.execute(fmt::format("BEGIN IMMEDIATE; {} PRAGMA user_version = {}; COMMIT;",
                                 migrations[static_cast<std::size_t>(step)], step + 1)
                         .c_str());
  }
  return {};
}

std::string first_damage(sqlite::connection& database) {
  sqlite::statement check(database, "PRAGMA quick_check(1)");
  std::string found = check.step() ? check.text(0) : "ok";
  std::ranges::replace(found, '\n', ' ');
  return found == "ok" ? "" : found;
}

startup_failure damaged(const std::filesystem::path& file, std::string_view detail) {
  return {fmt::format("the database {} is damaged ({}): restore it from a copy, or move it away to begin anew",
                      file.string(), detail)};
}

startup<void> open_and_migrate(const std::filesystem::path& file) {
  auto database = open_writing(file);
  if (const auto damage = first_damage(database); !damage.empty()) return std::unexpected(damaged(file, damage));
  if (auto migrated = migrate(database, file); !migrated) return migrated;
  try {
    const sqlite::statement table_is_there(database, select_photo);
    return {};
  } catch (const sqlite::error& failed) {
    return std::unexpected(damaged(file, failed.what()));
  }
}

std::filesystem::path reserve_beside(const std::filesystem::path& file) { return file.parent_path() / "reserve"; }

}  // namespace

startup<void> prepare_catalogue(const std::filesystem::path& file) {
  try {
    try {
      return open_and_migrate(file);
    } catch (const sqlite::error& failed) {
      if (!failed.disk_is_full()) throw;
      disk_reserve(reserve_beside(file)).give_up();
      return open_and_migrate(file);
    }
  } catch (const sqlite::error& failed) {
    if (failed.is_damage()) return std::unexpected(damaged(file, failed.what()));
    const auto* why = failed.disk_is_full() ? "the disk is full" : failed.what();
    return std::unexpected(startup_failure{fmt::format("cannot open the database {}: {}", file.string(), why)});
  }
}

catalogue_writer::catalogue_writer(const std::filesystem::path& file)
    : reserve_(reserve_beside(file)),
      database_(open_writing(file)),
      begin_(database_, "BEGIN IMMEDIATE"),
      commit_(database_, "COMMIT"),
      roll_back_(database_, "ROLLBACK"),
      insert_(database_,
              "INSERT INTO photos (id, sha256, type, width, height, bytes, created_us, verdict) "
              "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO NOTHING"),
      find_by_contents_(database_, fmt::format("{} WHERE sha256 = ?", select_photo)),
      remove_(database_,
              "DELETE FROM photos WHERE id = ? "
              "RETURNING id, sha256, type, width, height, bytes, created_us, verdict, sequence") {
  static_cast<void>(reserve_.take());  // without it, insertions are refused until there is room
}

outcome<std::vector<applied>> catalogue_writer::apply(std::span<const change> changes) {
  const bool only_removals = std::ranges::all_of(changes, &std::holds_alternative<removal, insertion, removal>);
  if (!only_removals && !reserve_.take()) return std::unexpected(disk_full());
  try {
    try {
      return apply_all(changes);
    } catch (const sqlite::error& failed) {
      if (!failed.disk_is_full()) throw;
      if (only_removals) reserve_.give_up();
      // The log grows where it could begin anew, in the room that it has.
      database_.execute("PRAGMA wal_checkpoint(RESTART)");
      return apply_all(changes);
    }
  } catch (const sqlite::error& failed) {
    return std::unexpected(database_problem(failed));
  }
}

std::vector<applied> catalogue_writer::apply_all(std::span<const change> changes) {
  std::vector<applied> results;
  results.reserve(changes.size());
  try {
    begin_.run();
    for (const change& each : changes) {
      results.push_back(std::visit([this](const auto& kind) { return apply_one(kind); }, each));
    }
    commit_.run();
    return results;
  } catch (...) {
    roll_back();
    throw;
  }
}

void catalogue_writer::limit_pages(std::int64_t pages) {
  database_.execute(fmt::format("PRAGMA max_page_count = {}", pages).c_str());
}

applied catalogue_writer::apply_one(const insertion& wanted) {
  const photo_record& photo = wanted.photo;
  insert_.bind(0, photo.id.text()).bind(1, photo.sha256).bind(2, name(photo.type));
  insert_.bind(3, std::int64_t{photo.size.width}).bind(4, std::int64_t{photo.size.height});
  insert_.bind(5, static_cast<std::int64_t>(photo.bytes)).bind(6, photo.created_us).bind(7, photo.verdict);
  insert_.run();
  if (database_.changes() == 1) return {photo, true};
  find_by_contents_.bind(0, photo.sha256);
  return {single_record(find_by_contents_), false};
}

applied catalogue_writer::apply_one(const removal& wanted) {
  remove_.bind(0, wanted.id.text());
  auto removed = single_record(remove_);
  const bool found = removed.has_value();
  return {std::move(removed), found};
}

void catalogue_writer::roll_back() noexcept {
  // A full disk may have rolled back already. Should this fail too, the next BEGIN fails and says so.
  try {
    if (database_.in_transaction()) roll_back_.run();
  } catch (const sqlite::error&) {}
}

catalogue_reader::catalogue_reader(const std::filesystem::path& file)
    : database_(file, sqlite::access::read_only),
      find_(database_, fmt::format("{} WHERE id = ?", select_photo)),
      find_by_contents_(database_, fmt::format("{} WHERE sha256 = ?", select_photo)),
      page_(database_, fmt::format("{} WHERE sequence < ? ORDER BY sequence DESC LIMIT ?", select_photo)),
      all_ids_(database_, "SELECT id FROM photos ORDER BY id") {}

outcome<std::optional<photo_record>> catalogue_reader::find(const photo_id& id) {
  return guarded([&] { return single_record(find_.bind(0, id.text())); });
}

outcome<std::optional<photo_record>> catalogue_reader::find_by_contents(std::string_view sha256) {
  return guarded([&] { return single_record(find_by_contents_.bind(0, sha256)); });
}

outcome<photo_page> catalogue_reader::page(std::string_view cursor, unsigned size) {
  const auto before = parse_cursor(cursor);
  if (!before) {
    return std::unexpected(
        problem{400, "bad_cursor", "the cursor is none that a page gave: take it from `next` or leave it out"});
  }
  return guarded([&] {
    const sqlite::resetting at_end(page_);
    photo_page result;
    std::int64_t last = 0;
    const std::int64_t wanted = std::clamp(size, 1u, max_page_size);
    page_.bind(0, *before).bind(1, wanted + 1);  // one more, to know whether a page follows
    while (page_.step()) {
      if (static_cast<std::int64_t>(result.photos.size()) == wanted) {
        result.next = cursor_of(last);
        break;
      }
      result.photos.push_back(record_from(page_));
      last = page_.integer(sequence_column);
    }
    return result;
  });
}

outcome<std::vector<photo_id>> catalogue_reader::all_ids() {
  return guarded([&] {
    const sqlite::resetting at_end(all_ids_);
    std::vector<photo_id> ids;
    while (all_ids_.step()) {
      const auto id = photo_id::parse(all_ids_.text(0));
      if (!id) throw sqlite::error(0, "a photo's id is damaged: " + all_ids_.text(0));
      ids.push_back(*id);
    }
    return ids;
  });
}

}  // namespace gallery
