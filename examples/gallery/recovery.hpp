#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <vector>

#include "catalogue.hpp"
#include "storage.hpp"
#include "vault.hpp"

namespace gallery {

/// What was done at the start so that the catalogue and the files agree.
struct recovery {
  std::size_t deleted_files = 0;                 ///< of photos that were being added or removed when the last run ended
  std::vector<photo_id> listed_again;            ///< photos that the catalogue did not know, and whose files were whole
  std::vector<photo_id> not_listed;              ///< the same, but the catalogue has no room for them
  std::vector<std::filesystem::path> set_aside;  ///< files of no photo, as they were called
  std::vector<std::filesystem::path> not_moved;  ///< the same, but they stayed where they are
  std::vector<photo_id> rows_without_files;      ///< dropped from a catalogue that had lost the end of its log
  std::size_t rows_without_sense = 0;            ///< dropped from the catalogue
  std::vector<photo_id> incomplete;              ///< photos that lost files; never by a crash
};

/// Makes the catalogue agree with the files, which are what counts:
///
///     files with the last run's mark       deleted: that run was adding or removing the photo
///     an original that no row knows        listed again, from the record in it
///     other files that no row knows        set aside, never deleted
///     a row without any file               dropped where the log may have lost the photo's removal
///     a row that lost some of its files    told
///
/// Before anything else is done. `found` is the files' survey.
[[nodiscard]] outcome<recovery> recover(const storage& files, const vault& sealing, const prepared_catalogue& catalogue,
                                        std::vector<stored_file> found);

/// The recovery, a line for each kind of thing that there was to do.
[[nodiscard]] std::vector<std::string> describe(const recovery& done, const storage& files);

}  // namespace gallery
