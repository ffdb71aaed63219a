#include "weft/io/detail/descriptor_table.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "weft/io/detail/reactor.hpp"
#include "weft/io/detail/time.hpp"

namespace weft::detail {

namespace {

// The entries, in chunks that are made when their first number appears and never freed.
constexpr std::size_t chunk_size = 1024;
constexpr std::size_t chunk_count = 4096;
constinit std::array<std::atomic<descriptor*>, chunk_count> chunks{};

constexpr descriptor::token is_token = 1ull << 63;

// Not under a lock: a node's frame is gone once it is notified.
void notify_all(base::intrusive_list<sched::wait_node>& woken) noexcept {
  while (auto* node = woken.pop_front()) node->notify();
}

}  // namespace

descriptor* descriptor::find(std::uint32_t number) noexcept {
  if (number / chunk_size >= chunk_count) return nullptr;
  // acquire: sees the entries made; pairs with find_or_make
  auto* entries = chunks[number / chunk_size].load(std::memory_order_acquire);
  return entries ? &entries[number % chunk_size] : nullptr;
}

descriptor* descriptor::find_or_make(std::uint32_t number) noexcept {
  if (auto* found = find(number)) return found;
  if (number / chunk_size >= chunk_count) return nullptr;
  std::unique_ptr<descriptor[]> made{new (std::nothrow) descriptor[chunk_size]};
  if (!made) return nullptr;
  auto first = number - number % chunk_size;
  for (std::size_t i = 0; i < chunk_size; ++i) made[i].number_ = static_cast<int>(first + i);
  descriptor* none = nullptr;
  // release: publishes the entries. relaxed on failure: find() acquires those that another thread made
  if (chunks[number / chunk_size].compare_exchange_strong(none, made.get(), std::memory_order_release,
                                                          std::memory_order_relaxed)) {
    static_cast<void>(made.release());
  }
  return find(number);
}

// ---- life

result<owned_descriptor> descriptor::attach(int number) {
  auto* entry = find_or_make(static_cast<std::uint32_t>(number));
  if (!entry) {
    ::close(number);
    return failure_from_errno(EMFILE);
  }
  // Vacant: only we, who hold the number, may open it. acquire: sees the entry as retire() left it; release: publishes
  // it to begin_use() and is_open().
  auto vacant = entry->life_.load(std::memory_order_relaxed);
  entry->life_.exchange((vacant & ~(closed | uses)) | 1, std::memory_order_acq_rel);
  return owned_descriptor{descriptor_reference{*entry, static_cast<std::uint32_t>(vacant >> generation_shift)}};
}

bool descriptor::begin_use(std::uint32_t generation) noexcept {
  // relaxed: only a starting value for the exchange
  auto seen = life_.load(std::memory_order_relaxed);
  do {
    if ((seen & closed) || seen >> generation_shift != generation) return false;
    // acquire: sees the entry as attach() published it
  } while (!life_.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire, std::memory_order_relaxed));
  return true;
}

void descriptor::end_use() noexcept {
  // acq_rel: whoever retires comes after everybody's use
  auto before = life_.fetch_sub(1, std::memory_order_acq_rel);
  if ((before & (closed | uses)) == (closed | 1)) retire();
}

void descriptor::retire() noexcept {
  io::reactor* home = nullptr;
  {
    std::lock_guard guard{lock_};
    auto over = generation();
    home = std::exchange(home_, nullptr);
    removed_ = token_of(over);
    // relaxed: nobody uses the entry until attach(), and the lock publishes to deliver()
    receive_.readiness.store(ready, std::memory_order_relaxed);
    send_.readiness.store(ready, std::memory_order_relaxed);
    registration_error_.store(0, std::memory_order_relaxed);
    // release: pairs with attach(), which another thread may call as soon as the number is closed
    auto next = std::uint64_t{(over + 1) & generation_mask};
    life_.store(next << generation_shift | closed, std::memory_order_release);
    // Under the lock, under which a reactor that ends forgets its descriptors: it cannot be gone.
    if (home) home->remove(*this, number_, removed_);
  }
  if (!home) ::close(number_);
}

void descriptor::close_number(int number) noexcept {
  // Changes nothing. release: what the reactor read of the entry comes before what the next life writes to it; pairs
  // with the acquire in attach(), by a thread that got the number from the system as soon as it was closed. For the
  // language, a number that goes through the kernel orders nothing.
  if (auto* entry = find(static_cast<std::uint32_t>(number))) entry->life_.fetch_or(0, std::memory_order_release);
  ::close(number);
}

std::uint32_t descriptor::generation() const noexcept {
  // relaxed: changes under the lock only, which the callers hold, or hold a use
  return static_cast<std::uint32_t>(life_.load(std::memory_order_relaxed) >> generation_shift);
}

bool descriptor::is_open(std::uint32_t generation) const noexcept {
  // acquire: pairs with attach()
  auto seen = life_.load(std::memory_order_acquire);
  return !(seen & closed) && seen >> generation_shift == generation;
}

descriptor::token descriptor::token_of(std::uint32_t generation) const noexcept {
  return is_token | token{generation} << 32 | static_cast<std::uint32_t>(number_);
}

bool descriptor::anyone_waits() noexcept {
  for (auto& chunk : chunks) {
    // acquire: sees the entries made; pairs with find_or_make
    auto* entries = chunk.load(std::memory_order_acquire);
    for (std::size_t i = 0; entries && i < chunk_size; ++i) {
      std::lock_guard guard{entries[i].lock_};
      if (!entries[i].receive_.waiters.empty() || !entries[i].send_.waiters.empty()) return true;
    }
  }
  return false;
}

// ---- events

void descriptor::wake(base::intrusive_list<sched::wait_node>& woken, side& which) noexcept {
  while (auto* node = which.waiters.pop_front()) {
    if (node->claim()) woken.push_back(*node);
  }
}

void descriptor::deliver(token life, descriptor_events events) noexcept {
  auto* entry = find(static_cast<std::uint32_t>(life));
  if (!entry) return;
  base::intrusive_list<sched::wait_node> woken;
  {
    std::lock_guard guard{entry->lock_};
    if (entry->token_of(entry->generation()) != life) return;
    auto note = [&](side& which, std::uint32_t bits) {
      // relaxed: events are set under the lock, by one at a time; those who clear use an exchange that fails after this
      auto seen = which.readiness.load(std::memory_order_relaxed);
      // release: pairs with peek()
      while (!which.readiness.compare_exchange_weak(seen, (seen + one_event) | bits, std::memory_order_release,
                                                    std::memory_order_relaxed)) {}
      entry->wake(woken, which);
    };
    if (events.receive) note(entry->receive_, ready | (events.hung_up ? hung_up : 0));
    if (events.send) note(entry->send_, ready);
  }
  notify_all(woken);
}

void descriptor::refuse(token life, int error) noexcept {
  auto* entry = find(static_cast<std::uint32_t>(life));
  if (!entry) return;
  base::intrusive_list<sched::wait_node> woken;
  {
    std::lock_guard guard{entry->lock_};
    if (entry->token_of(entry->generation()) != life) return;
    entry->home_ = nullptr;
    // relaxed: see register_with_reactor
    entry->registration_error_.store(error, std::memory_order_relaxed);
    entry->wake(woken, entry->receive_);
    entry->wake(woken, entry->send_);
  }
  notify_all(woken);
}

bool descriptor::is_registered(token life) noexcept {
  auto* entry = find(static_cast<std::uint32_t>(life));
  if (!entry) return false;
  std::lock_guard guard{entry->lock_};
  return entry->token_of(entry->generation()) == life;
}

descriptor::token descriptor::take_added() noexcept {
  std::lock_guard guard{lock_};
  return std::exchange(adding_, 0);
}

std::uint32_t descriptor::register_again(io::reactor& home, std::uint32_t from) noexcept {
  auto number = from;
  while (number < chunk_size * chunk_count && !find(number)) number += chunk_size;
  if (number >= chunk_size * chunk_count) return no_number;
  for (auto end = number + chunk_size; number < end; ++number) {
    auto& entry = *find(number);
    // Under the lock, so that a removal comes after.
    std::lock_guard guard{entry.lock_};
    if (entry.home_ != &home || entry.adding_ != 0) continue;
    // Fails on no reactor that begins anew.
    static_cast<void>(home.add(static_cast<int>(number), entry.token_of(entry.generation())));
  }
  return number;
}

void descriptor::forget_reactor(io::reactor& gone) noexcept {
  for (std::uint32_t number = 0; number < chunk_size * chunk_count; ++number) {
    auto* entry = find(number);
    if (!entry) {
      number += chunk_size - 1;
      continue;
    }
    std::lock_guard guard{entry->lock_};
    if (entry->home_ == &gone) entry->home_ = nullptr;
  }
}

void descriptor::register_with_reactor(std::uint32_t generation) noexcept {
  io::reactor_here reactor;
  int error = reactor.add(*this, number_, token_of(generation));
  if (error == 0) {
    home_ = &*reactor;
  } else {
    // relaxed: read by the waiter that this wakes, under a use that comes after
    registration_error_.store(error, std::memory_order_relaxed);
  }
}

int descriptor_use::take_registration_error() noexcept {
  // relaxed: see register_with_reactor
  if (entry_->registration_error_.load(std::memory_order_relaxed) == 0) return 0;
  return entry_->registration_error_.exchange(0, std::memory_order_relaxed);
}

// ---- waiting

bool descriptor_reference::arm(direction which, sched::wait_node& node) {
  bool wait = false;
  if (entry_) {
    std::lock_guard guard{entry_->lock_};
    if (entry_->is_open(generation_)) {
      if (!entry_->home_) entry_->register_with_reactor(generation_);
      auto& side = entry_->side_of(which);
      // relaxed: events are set under the lock
      bool is_ready = side.readiness.load(std::memory_order_relaxed) & descriptor::ready;
      wait = entry_->home_ && !is_ready;
      if (wait) side.waiters.push_back(node);
    }
  }
  return !wait && node.claim();
}

void descriptor_reference::disarm(sched::wait_node& node) noexcept {
  if (!entry_) return;
  std::lock_guard guard{entry_->lock_};
  if (node.is_linked()) base::intrusive_list<sched::wait_node>::remove(node);
}

result<void> descriptor_reference::block(direction which, time_point deadline) {
  return poll_in_place(which == direction::receive ? POLLIN : POLLOUT, deadline);
}

result<void> descriptor_reference::block_for_either(time_point deadline) {
  return poll_in_place(POLLIN | POLLOUT, deadline);
}

result<void> descriptor_reference::poll_in_place(short events, time_point deadline) {
  descriptor_use use{*this};
  if (!use) return {};
  // A close() from another thread shuts the socket down while we use it, which ends the poll.
  pollfd watched{.fd = use.number(), .events = events, .revents = 0};
  while (true) {
    auto timeout = io::until(deadline);
    int found = ::ppoll(&watched, 1, timeout ? &*timeout : nullptr, nullptr);
    if (found > 0) break;
    if (found == 0) return failure(errc::timed_out);
    if (errno != EINTR) return failure_from_errno(errno);
  }
  std::lock_guard guard{entry_->lock_};
  for (auto side : {direction::receive, direction::send}) {
    if (!(events & (side == direction::receive ? POLLIN : POLLOUT))) continue;
    // An event like a reactor's. release: pairs with peek()
    entry_->side_of(side).readiness.fetch_or(descriptor::ready, std::memory_order_release);
  }
  return {};
}

std::optional<int> descriptor_reference::begin_use() noexcept {
  if (!entry_ || !entry_->begin_use(generation_)) return std::nullopt;
  return entry_->number_;
}

void descriptor_reference::end_use() noexcept { entry_->end_use(); }

void descriptor_reference::close() noexcept {
  if (!entry_) return;
  auto& entry = *entry_;
  // relaxed: only a starting value for the exchange
  auto seen = entry.life_.load(std::memory_order_relaxed);
  do {
    if ((seen & descriptor::closed) || seen >> descriptor::generation_shift != generation_) return;
    // relaxed: closing publishes nothing; that no waiter is missed is the lock's matter
  } while (!entry.life_.compare_exchange_weak(seen, seen | descriptor::closed, std::memory_order_relaxed,
                                              std::memory_order_relaxed));
  base::intrusive_list<sched::wait_node> woken;
  {
    // Whoever arms after this finds it closed; whoever armed before is in a list.
    std::lock_guard guard{entry.lock_};
    entry.wake(woken, entry.receive_);
    entry.wake(woken, entry.send_);
  }
  notify_all(woken);
  // OS threads that wait in poll() hold a use, and end it when the socket is shut down.
  if ((seen & descriptor::uses) > 1) ::shutdown(entry.number_, SHUT_RDWR);
  entry.end_use();
}

}  // namespace weft::detail
