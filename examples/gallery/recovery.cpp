#include "recovery.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "sealed_photo.hpp"

namespace gallery {
namespace {

constexpr std::size_t rows_at_once = 256;

/// Goes through photos and rows, and does what recovery.hpp says.
class recoverer {
 public:
  recoverer(const storage& files, const vault& sealing, const prepared_catalogue& catalogue)
      : files_(files), sealing_(sealing), catalogue_(catalogue) {
    done_.rows_without_sense = catalogue.dropped_rows;
  }

  /// `of_one` are all files of a photo.
  void see(std::span<const stored_file> of_one, bool is_listed) {
    const photo_id& photo = of_one.front().photo;
    const bool is_going = any(of_one, stored_file::state::going);
    if (is_going) {
      if (is_listed) unlisted_.push_back(removal{photo});
      for (const auto& each : of_one) discard(each);
      return;
    }
    if (is_listed) return see_listed(of_one);
    if (const auto* original = whole_original(of_one)) return see_unlisted(of_one, *original);
    // With a mark the last run was adding it, and all its files are that run's.
    const bool was_begun = any(of_one, stored_file::state::begun);
    for (const auto& each : of_one) was_begun ? discard(each) : put_aside(each);
  }

  void see_row_without_files(const photo_id& photo) {
    if (!catalogue_.had_log) return done_.incomplete.push_back(photo);
    unlisted_.push_back(removal{photo});
    done_.rows_without_files.push_back(photo);
  }

  /// Changes the catalogue; photos by their age, so that the newest are listed first.
  outcome<recovery> finish() {
    if (unlisted_.empty() && found_.empty()) return std::move(done_);
    catalogue_writer writer(files_.catalogue_file());
    for (std::size_t first = 0; first < unlisted_.size(); first += rows_at_once) {
      const auto some = std::span(unlisted_).subspan(first, std::min(rows_at_once, unlisted_.size() - first));
      if (auto dropped = writer.apply(some); !dropped) return std::unexpected(std::move(dropped.error()));
    }
    std::ranges::sort(found_, {}, [](const found_photo& each) { return each.record.created_us; });
    for (const found_photo& each : found_) {
      const change wanted = insertion{each.record};
      const auto inserted = writer.apply(std::span(&wanted, 1));
      if (!inserted) {
        done_.not_listed.push_back(each.record.id);
      } else if (inserted->front().changed) {
        done_.listed_again.push_back(each.record.id);
        if (!each.is_complete) done_.incomplete.push_back(each.record.id);
      } else {
        for (const auto& file : each.files) put_aside(file);  // another photo has the same contents
      }
    }
    return std::move(done_);
  }

 private:
  struct found_photo {
    photo_record record;
    bool is_complete;
    std::vector<stored_file> files;
  };

  static bool any(std::span<const stored_file> of_one, stored_file::state wanted) {
    return std::ranges::any_of(of_one, [&](const stored_file& each) { return each.now == wanted; });
  }

  static const stored_file* whole_original(std::span<const stored_file> of_one) {
    const auto is_it = [](const auto& each) {
      return each.which == part::original && each.now == stored_file::state::whole;
    };
    const auto found = std::ranges::find_if(of_one, is_it);
    return found == of_one.end() ? nullptr : &*found;
  }

  static bool is_complete(std::span<const stored_file> of_one) {
    const auto is_whole = [](const stored_file& each) { return each.now == stored_file::state::whole; };
    return std::ranges::count_if(of_one, is_whole) == static_cast<std::ptrdiff_t>(all_parts.size());
  }

  void see_listed(std::span<const stored_file> of_one) {
    put_away_marked(of_one);
    if (!is_complete(of_one)) done_.incomplete.push_back(of_one.front().photo);
  }

  void see_unlisted(std::span<const stored_file> of_one, const stored_file& original) {
    auto record = read_record(sealing_, original.photo, original.path);
    if (!record) {
      for (const auto& each : of_one) put_aside(each);
      return;
    }
    put_away_marked(of_one);
    found_photo found{std::move(*record), is_complete(of_one), {}};
    const auto is_whole = [](const stored_file& each) { return each.now == stored_file::state::whole; };
    std::ranges::copy_if(of_one, std::back_inserter(found.files), is_whole);
    found_.push_back(std::move(found));
  }

  /// Of a photo that there is, marks included: the last run's are what it had not finished.
  void put_away_marked(std::span<const stored_file> of_one) {
    const auto is_whole = [&](part which) {
      return std::ranges::any_of(of_one, [&](const stored_file& each) {
        return each.which == which && each.now == stored_file::state::whole;
      });
    };
    for (const auto& each : of_one) {
      if (each.now == stored_file::state::whole) continue;
      each.now == stored_file::state::begun&& is_whole(each.which) ? discard(each) : put_aside(each);
    }
  }

  void discard(const stored_file& file) {
    if (file.now == stored_file::state::strange) return put_aside(file);
    std::error_code failed;
    if (std::filesystem::remove(file.path, failed)) ++done_.deleted_files;
  }

  void put_aside(const stored_file& file) {
    (files_.set_aside(file.path) ? done_.set_aside : done_.not_moved).push_back(file.path);
  }

  const storage& files_;
  const vault& sealing_;
  const prepared_catalogue& catalogue_;
  recovery done_;
  std::vector<change> unlisted_;
  std::vector<found_photo> found_;
};

std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

outcome<recovery> recover(const storage& files, const vault& sealing, const prepared_catalogue& catalogue,
                          std::vector<stored_file> found) {
  const auto known = catalogue_reader(files.catalogue_file()).all_ids();
  if (!known) return std::unexpected(known.error());
  recoverer work(files, sealing, catalogue);
  auto next_row = known->begin();
  for (std::size_t first = 0; first < found.size();) {
    const photo_id photo = found[first].photo;
    std::size_t behind = first;
    while (behind < found.size() && found[behind].photo == photo) ++behind;
    for (; next_row != known->end() && *next_row < photo; ++next_row) work.see_row_without_files(*next_row);
    const bool is_listed = next_row != known->end() && *next_row == photo;
    if (is_listed) ++next_row;
    work.see(std::span(found).subspan(first, behind - first), is_listed);
    first = behind;
  }
  for (; next_row != known->end(); ++next_row) work.see_row_without_files(*next_row);
  return work.finish();
}

std::vector<std::string> describe(const recovery& done, const storage& files) {
  std::vector<std::string> lines;
  const auto say = [&](std::string line) { lines.push_back(std::move(line)); };
  if (done.rows_without_sense > 0) {
    say(fmt::format("dropped {} from the catalogue that made no sense", counted(done.rows_without_sense, "row")));
  }
  if (done.deleted_files > 0) {
    say(fmt::format("deleted {} that the last run had not finished", counted(done.deleted_files, "file")));
  }
  if (!done.listed_again.empty()) {
    say(fmt::format("the catalogue did not know {}, {} first: listed again, from the record in each file",
                    counted(done.listed_again.size(), "photo"), done.listed_again.front().text()));
  }
  if (!done.not_listed.empty()) {
    say(
        fmt::format("the catalogue does not know {}, {} first, and has no room for them: make room on the disk and "
                    "start the gallery again",
                    counted(done.not_listed.size(), "photo"), done.not_listed.front().text()));
  }
  if (!done.rows_without_files.empty()) {
    say(fmt::format("the catalogue has lost the end of its log: dropped {} without any file, {} first",
                    counted(done.rows_without_files.size(), "photo"), done.rows_without_files.front().text()));
  }
  for (const auto& each : done.set_aside) {
    say(fmt::format("set aside {} in {}: it belongs to no photo", each.string(), files.set_aside_folder().string()));
  }
  for (const auto& each : done.not_moved) {
    say(fmt::format("{} belongs to no photo, and could not be set aside", each.string()));
  }
  if (!done.incomplete.empty()) {
    say(fmt::format("{} photos have lost files, {} first: restore them from a copy or delete the photos",
                    done.incomplete.size(), done.incomplete.front().text()));
  }
  return lines;
}

}  // namespace gallery
