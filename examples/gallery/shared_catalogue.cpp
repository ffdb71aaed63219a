#include "shared_catalogue.hpp"

#include <exception>
#include <utility>

#include <weft/task/blocking.hpp>
#include <weft/task/cancellation.hpp>
#include <weft/task/detail/task_base.hpp>

namespace gallery {
namespace {

/// More than this in one transaction makes the first of them wait too long.
constexpr std::size_t most_in_one_commit = 256;

std::vector<std::unique_ptr<catalogue_reader>> open_readers(const std::filesystem::path& file, std::size_t count) {
  std::vector<std::unique_ptr<catalogue_reader>> readers;
  while (readers.size() < count) readers.push_back(std::make_unique<catalogue_reader>(file));
  return readers;
}

problem shutting_down() { return {503, "shutting_down", "the gallery is being stopped: try again when it is back"}; }

}  // namespace

shared_catalogue::shared_catalogue(const std::filesystem::path& file, std::size_t readers)
    : writer_(file),
      readers_(open_readers(file, readers)),
      orders_(most_in_one_commit),
      idle_readers_(readers),
      committing_("catalogue writer", [this] { commit_orders(); }) {
  // Nothing may fail from here on: the writer would wait for orders for ever.
  for (const auto& each : readers_) static_cast<void>(idle_readers_.try_send(each.get()));  // there is room for all
}

shared_catalogue::~shared_catalogue() {
  orders_.close();
  committing_.join();
}

outcome<applied> shared_catalogue::apply(change wanted) {
  const auto handed_over = std::make_shared<order>(std::move(wanted));
  if (!orders_.send(handed_over)) return std::unexpected(shutting_down());
  // From here on the change is going to be made: whoever asked must know.
  const weft::cancellation_shield until_done;
  auto done = handed_over->done.recv();
  if (!done) return std::unexpected(shutting_down());
  return std::move(*done);
}

void shared_catalogue::commit_orders() {
  std::vector<std::shared_ptr<order>> batch;
  batch.reserve(most_in_one_commit);
  while (auto first = orders_.recv()) {
    batch.push_back(std::move(*first));
    while (batch.size() < most_in_one_commit) {
      auto next = orders_.try_recv();
      if (!next) break;
      batch.push_back(std::move(*next));
    }
    commit(batch);
    batch.clear();
  }
}

void shared_catalogue::commit(std::span<const std::shared_ptr<order>> batch) noexcept {
  auto results = commit_together(batch);
  if (!results && batch.size() > 1) {
    // One of them may be to blame for all: each alone, so that the others are made.
    for (std::size_t index = 0; index < batch.size(); ++index) commit(batch.subspan(index, 1));
    return;
  }
  for (std::size_t index = 0; index < batch.size(); ++index) {
    auto answer =
        results ? outcome<applied>(std::move((*results)[index])) : std::unexpected(std::move(results.error()));
    static_cast<void>(batch[index]->done.try_send(std::move(answer)));  // there is room for the one answer
  }
}

outcome<std::vector<applied>> shared_catalogue::commit_together(
    std::span<const std::shared_ptr<order>> batch) noexcept {
  try {
    std::vector<change> changes;
    changes.reserve(batch.size());
    for (const auto& each : batch) changes.push_back(each->wanted);
    return weft::blocking([&] { return writer_.apply(changes); });
  } catch (const std::exception&) {
    // Whatever there is no memory for, those who wait for it must be told.
    return std::unexpected(no_memory());
  }
}

template <class Query>
auto shared_catalogue::with_reader(Query query) -> decltype(query(std::declval<catalogue_reader&>())) {
  const auto reader = idle_readers_.recv();
  if (!reader) return std::unexpected(shutting_down());
  const struct give_back {  // however this ends
    weft::channel<catalogue_reader*>& idle;
    catalogue_reader* taken;
    ~give_back() { static_cast<void>(idle.try_send(taken)); }  // there is room: it was taken from there
  } at_end{idle_readers_, *reader};
  return weft::blocking([&] { return query(**reader); });
}

outcome<std::optional<photo_record>> shared_catalogue::find(const photo_id& id) {
  return with_reader([&](catalogue_reader& reader) { return reader.find(id); });
}

outcome<std::optional<photo_record>> shared_catalogue::find_by_contents(std::string_view sha256) {
  return with_reader([&](catalogue_reader& reader) { return reader.find_by_contents(sha256); });
}

outcome<photo_page> shared_catalogue::page(std::string_view cursor, unsigned size) {
  return with_reader([&](catalogue_reader& reader) { return reader.page(cursor, size); });
}

}  // namespace gallery
