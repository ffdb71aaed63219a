#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <weft/sync/channel.hpp>

#include "background.hpp"
#include "catalogue.hpp"

namespace gallery {

/// The catalogue as any number of requests use it at once. Changes go through a channel to the one who owns the writer,
/// and whatever waits there is committed together: under load, many photos share one wait for the disk. Readers lie in
/// another channel, from which each query takes one for itself.
/// Thread: any, for every member, at the same time; construction and destruction by the owner.
/// Parks.
/// Cancel: fails with 503, nothing was done; a change that was handed over goes on to its end.
class shared_catalogue {
 public:
  shared_catalogue(const std::filesystem::path& file, std::size_t readers);
  ~shared_catalogue();

  /// Makes a change; returns when it is on the disk.
  [[nodiscard]] outcome<applied> apply(change wanted);

  [[nodiscard]] outcome<std::optional<photo_record>> find(const photo_id& id);
  [[nodiscard]] outcome<std::optional<photo_record>> find_by_contents(std::string_view sha256);
  [[nodiscard]] outcome<photo_page> page(std::string_view cursor, unsigned size);

 private:
  /// A change on its way to the writer, and its outcome on the way back.
  struct order {
    explicit order(change what) : wanted(std::move(what)) {}
    change wanted;
    weft::channel<outcome<applied>> done{1};
  };

  void commit_orders();
  void commit(std::span<const std::shared_ptr<order>> batch) noexcept;
  [[nodiscard]] outcome<std::vector<applied>> commit_together(std::span<const std::shared_ptr<order>> batch) noexcept;
  template <class Query>
  auto with_reader(Query query) -> decltype(query(std::declval<catalogue_reader&>()));

  catalogue_writer writer_;  // the background's alone
  std::vector<std::unique_ptr<catalogue_reader>> readers_;
  weft::channel<std::shared_ptr<order>> orders_;
  weft::channel<catalogue_reader*> idle_readers_;
  background committing_;
};

}  // namespace gallery
