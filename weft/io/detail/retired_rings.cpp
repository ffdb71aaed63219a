#include "weft/io/detail/retired_rings.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include <sys/syscall.h>
#include <unistd.h>

#include <weft/base/check.hpp>

#include "weft/base/detail/thread_interrupt.hpp"
#include "weft/io/detail/completion_data.hpp"

namespace weft::io {
namespace {

/// How long what the kernel has to say may wait: a thread that computes is interrupted no more often than this.
constexpr std::chrono::milliseconds between_visits{1};

// Linux 6.6; liburing 2.3 does not name it.
constexpr unsigned cancel_by_operation = 1u << 5;

const base::thread_interrupt& owner_enters() {
  static const base::thread_interrupt enters{
      [](std::uint32_t number) noexcept { ring::enter_in_signal_handler(static_cast<int>(number)); }};
  return enters;
}

}  // namespace

void retired_rings::retire(std::unique_ptr<ring> lost, unsigned calls) {
  static_cast<void>(owner_enters());  // installs the handler
  auto made = std::make_shared<retired>(std::move(lost), calls);
  end_polls(*made);
  ask_owner(*made, now());
  std::lock_guard guard{mutex_};
  rings_.push_back(std::move(made));
}

time_point retired_rings::visit() {
  // Only the caller changes rings_, so it may read them without the lock.
  for (auto& each : rings_) reap(*each);
  auto present = now();
  // An owner that is back may hold the lock and, at its low priority, have lost its core.
  std::unique_lock lock{mutex_, std::try_to_lock};
  if (lock) {
    std::erase_if(rings_, [&](const std::shared_ptr<retired>& each) {
      if (each->calls == 0) return true;
      if (!each->polls_are_ended) end_polls(*each);
      if (each->lost->needs_owner() && present - each->asked >= between_visits) ask_owner(*each, present);
      return false;
    });
  }
  return rings_.empty() ? no_deadline : present + between_visits;
}

void retired_rings::reap(retired& from) {
  ring::completions batch;
  auto count = batch.size();
  while (count == batch.size()) {
    {
      std::unique_lock lock{mutex_, std::try_to_lock};  // as in visit()
      if (!lock || from.owner_is_back) return;
      count = take(from, batch);
    }
    deliver(std::span{batch}.first(count));
  }
}

std::size_t retired_rings::take(retired& from, ring::completions& batch) noexcept {
  auto count = from.lost->take(batch);
  auto calls = std::ranges::count_if(std::span{batch}.first(count), is_file_request, &completion::data);
  from.calls -= static_cast<unsigned>(calls);
  return count;
}

void retired_rings::deliver(std::span<const completion> taken) {
  for (const auto& one : taken) {
    if (is_token(one.data)) {
      static_cast<void>(deliver_events(one));  // watched on the new ring already
    } else if (is_file_request(one.data)) {
      deliver_file(one);
    }
  }
}

/// A kernel that cannot end them leaves them: they say again what those on the new ring say, and hold a descriptor that
/// is closed meanwhile until the ring is closed.
void retired_rings::end_polls(retired& of) noexcept {
  auto* entry = of.lost->try_next_entry();
  if (!entry) return;  // later
  ::io_uring_prep_rw(IORING_OP_ASYNC_CANCEL, entry, -1, nullptr, IORING_OP_POLL_ADD, 0);
  entry->cancel_flags = cancel_by_operation | IORING_ASYNC_CANCEL_ALL;
  ::io_uring_sqe_set_data64(entry, ignored);
  of.lost->publish_entries();
  of.polls_are_ended = true;
}

void retired_rings::ask_owner(retired& of, time_point present) noexcept {
  of.asked = present;
  [[maybe_unused]] bool lives =
      owner_enters().send(of.lost->owner(), static_cast<std::uint32_t>(of.lost->number())) || errno != ESRCH;
  WEFT_ASSERT(lives);
}

bool retired_rings::have_room() noexcept {
  if (rings_.empty()) [[likely]]
    return true;
  std::lock_guard guard{mutex_};
  return std::ranges::all_of(rings_, [](const auto& each) { return each->lost->has_room(); });
}

void retired_rings::cancel(std::uint64_t data) noexcept {
  std::lock_guard guard{mutex_};
  for (auto& each : rings_) {
    auto* entry = each->lost->try_next_entry();
    WEFT_ASSERT(entry != nullptr);
    ::io_uring_prep_cancel64(entry, data, 0);
    ::io_uring_sqe_set_data64(entry, ignored);
    each->lost->publish_entries();
    ask_owner(*each, now());
  }
}

void retired_rings::drain_own() {
  std::shared_ptr<retired> own;
  {
    auto me = static_cast<int>(::syscall(SYS_gettid));
    std::lock_guard guard{mutex_};
    auto found = std::ranges::find(rings_, me, [](const auto& each) { return each->lost->owner(); });
    if (found == rings_.end()) return;
    own = *found;
    own->owner_is_back = true;
  }
  for (;;) {
    ring::completions batch;
    std::size_t count = 0;
    bool is_done = false;
    {
      std::lock_guard guard{mutex_};
      count = take(*own, batch);
      is_done = own->calls == 0;
    }
    deliver(std::span{batch}.first(count));
    if (is_done) return;
    if (count == 0) own->lost->wait_as_owner();
  }
}

}  // namespace weft::io
