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

/// What a row says; nothing where it makes no sense, as after damage that the database cannot notice.
std::optional<photo_record> record_from(const sqlite::statement& row) {
  const auto id = photo_id::parse(row.text(0));
  const auto type = row.text(2);
  const auto is_side = [](std::int64_t value) { return value >= 1 && value <= max_photo_side; };
  const std::int64_t bytes = row.integer(5);
  const bool makes_sense = id && !row.text(1).empty() && (type == "jpeg" || type == "png") && is_side(row.integer(3)) &&
                           is_side(row.integer(4)) && bytes >= 0 &&
                           static_cast<std::uint64_t>(bytes) <= max_photo_bytes;
  if (!makes_sense) return std::nullopt;
  return photo_record{.id = *id,
                      .sha256 = row.text(1),
                      .type = type == "png" ? image_type::png : image_type::jpeg,
                      .size = {static_cast<unsigned>(row.integer(3)), static_cast<unsigned>(row.integer(4))},
                      .bytes = static_cast<std::uint64_t>(bytes),
                      .created_us = row.integer(6),
                      .verdict = row.text(7)};
}

std::optional<photo_record> single_record(sqlite::statement& query) {
  const sqlite::resetting at_end(query);
  if (!query.step()) return std::nullopt;
  auto found = record_from(query);
  if (!found) throw sqlite::error(0, "the photo's row makes no sense");
  return found;
}

problem database_problem(const sqlite::error& failed) {
  if (failed.disk_is_full()) return disk_full();
  if (failed.is_no_memory()) return no_memory();
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

/// After an unclean end the indices are compared with the table too: a log that lost its end can leave them apart.
std::string first_damage(sqlite::connection& database, bool had_log) {
  sqlite::statement check(database, had_log ? "PRAGMA integrity_check(1)" : "PRAGMA quick_check(1)");
  std::string found = check.step() ? check.text(0) : "ok";
  std::ranges::replace(found, '\n', ' ');
  return found == "ok" ? "" : found;
}

startup_failure damaged(const std::filesystem::path& file, std::string_view detail) {
  return {
      fmt::format("the database {} is damaged ({}): restore it from a copy, or move it away with the files whose "
                  "names begin alike, so that it is made anew from the photos' files",
                  file.string(), detail)};
}

std::size_t drop_rows_without_sense(sqlite::connection& database) {
  std::vector<std::int64_t> dropped;
  {
    sqlite::statement all(database, select_photo);
    while (all.step()) {
      if (!record_from(all)) dropped.push_back(all.integer(sequence_column));
    }
  }
  if (dropped.empty()) return 0;
  sqlite::statement drop(database, "DELETE FROM photos WHERE sequence = ?");
  for (const auto sequence : dropped) drop.bind(0, sequence).run();
  return dropped.size();
}

startup<prepared_catalogue> open_and_migrate(const std::filesystem::path& file, bool had_log) {
  auto database = open_writing(file);
  if (const auto damage = first_damage(database, had_log); !damage.empty()) {
    return std::unexpected(damaged(file, damage));
  }
  if (auto migrated = migrate(database, file); !migrated) return std::unexpected(std::move(migrated.error()));
  try {
    const sqlite::statement table_is_there(database, select_photo);
  } catch (const sqlite::error& failed) {
    return std::unexpected(damaged(file, failed.what()));
  }
  return prepared_catalogue{had_log, drop_rows_without_sense(database)};
}

bool has_log(const std::filesystem::path& file) {
  std::error_code missing;
  auto log = file;
  const auto size = std::filesystem::file_size(log += "-wal", missing);
  return !missing && size > 0;
}

std::filesystem::path reserve_beside(const std::filesystem::path& file) { return file.parent_path() / "reserve"; }

}  // namespace

startup<prepared_catalogue> prepare_catalogue(const std::filesystem::path& file) {
  const bool had_log = has_log(file);
  try {
    try {
      return open_and_migrate(file, had_log);
    } catch (const sqlite::error& failed) {
      if (!failed.disk_is_full()) throw;
      disk_reserve(reserve_beside(file)).give_up();
      return open_and_migrate(file, had_log);
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
  const sqlite::resetting at_end(remove_);
  applied result;
  remove_.bind(0, wanted.id.text());
  while (remove_.step()) {  // a deletion is done when its rows were fetched
    result.photo = record_from(remove_);
    result.changed = true;
  }
  return result;
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
      if (static_cast<std::int64_t>(result.photos.size() + result.damaged_rows) == wanted) {
        result.next = cursor_of(last);
        break;
      }
      last = page_.integer(sequence_column);
      if (auto photo = record_from(page_)) {
        result.photos.push_back(std::move(*photo));
      } else {
        ++result.damaged_rows;
      }
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
