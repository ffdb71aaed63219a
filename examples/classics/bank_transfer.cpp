// Clients move money between accounts at the same time. However they do it, no money may be made or lost.
//
// broken           each transfer reads two balances, thinks, and writes them back: what others wrote meanwhile is lost
// locks            a mutex per account, the lower number first, so that no circle of waiters can close
// channels         one teller owns all accounts; clients hand it transfers and wait for the receipt
// shared-nothing   each account is a task that owns its balance; money travels as messages

#include <deque>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include <weft/weft.hpp>

#include "support/versions.hpp"

namespace {

constexpr std::size_t accounts = 8;
constexpr std::size_t clients = 64;
constexpr std::size_t transfers = 500;  // of each client
constexpr long opening_balance = 1'000;
constexpr long expected = static_cast<long>(accounts) * opening_balance;

struct transfer {
  std::size_t from, to;
  long amount;
};

/// The transfers that a client wishes: the same in each version.
class wishes {
 public:
  explicit wishes(std::size_t client) : random_{client + 1} {}
  transfer next() {
    const auto from = random_.below(accounts);
    const auto to = (from + 1 + random_.below(accounts - 1)) % accounts;
    return {from, to, 1 + static_cast<long>(random_.below(50))};
  }

 private:
  weft::base::random random_;
};

/// Runs `serve(client)` for all clients at the same time: none begins before all are there.
template <class F>
void for_all_clients(F serve) {
  weft::latch all_are_there{clients};
  weft::scope all;
  for (std::size_t i = 0; i < clients; ++i) {
    all.spawn({.name = "client"}, [&all_are_there, serve, i] {
      all_are_there.arrive_and_wait();
      serve(i);
    });
  }
}

verdict judge(const std::vector<long>& balances) {
  const auto sum = std::accumulate(balances.begin(), balances.end(), 0L);
  bool overdrawn = false;
  for (auto each : balances) overdrawn |= each < 0;
  verdict outcome;
  outcome.is_right = sum == expected && !overdrawn;
  outcome.what = sum == expected ? "all " + std::to_string(expected) + " are there"
                                 : std::to_string(sum > expected ? sum - expected : expected - sum) +
                                       (sum > expected ? " were made of nothing" : " were lost");
  if (overdrawn) outcome.what += ", and an account is overdrawn";
  return outcome;
}

verdict broken() {
  // Atomic, so that the race is the program's and not the language's.
  std::vector<std::atomic<long>> balances(accounts);
  // relaxed, all: the point is that no order helps here
  for (auto& each : balances) each.store(opening_balance, std::memory_order_relaxed);
  for_all_clients([&](std::size_t client) {
    wishes mine{client};
    for (std::size_t i = 0; i < transfers; ++i) {
      auto [from, to, amount] = mine.next();
      // relaxed, all: as above
      const long from_has = balances[from].load(std::memory_order_relaxed);
      const long to_has = balances[to].load(std::memory_order_relaxed);
      if (from_has < amount) continue;
      weft::yield();  // as a database or a credit check would
      // relaxed, both: as above
      balances[from].store(from_has - amount, std::memory_order_relaxed);
      balances[to].store(to_has + amount, std::memory_order_relaxed);
    }
  });
  return judge({balances.begin(), balances.end()});
}

verdict with_locks() {
  struct account {
    weft::mutex guard;
    long balance = opening_balance;
  };
  std::deque<account> bank(accounts);
  for_all_clients([&](std::size_t client) {
    wishes mine{client};
    for (std::size_t i = 0; i < transfers; ++i) {
      auto [from, to, amount] = mine.next();
      std::scoped_lock lower{bank[std::min(from, to)].guard};
      std::scoped_lock higher{bank[std::max(from, to)].guard};
      if (bank[from].balance < amount) continue;
      weft::yield();
      bank[from].balance -= amount;
      bank[to].balance += amount;
    }
  });
  std::vector<long> balances;
  for (auto& each : bank) balances.push_back(each.balance);
  return judge(balances);
}

verdict with_channels() {
  struct request {
    transfer what;
    weft::channel<bool>* receipt;
  };
  weft::channel<request> counter{clients};
  auto teller = weft::spawn({.name = "teller"}, [&] {
    std::vector<long> balances(accounts, opening_balance);
    for (auto& [what, receipt] : counter) {
      const bool is_covered = balances[what.from] >= what.amount;
      if (is_covered) {
        balances[what.from] -= what.amount;
        balances[what.to] += what.amount;
      }
      if (!receipt->send(is_covered)) break;
    }
    return balances;
  });
  for_all_clients([&](std::size_t client) {
    wishes mine{client};
    weft::channel<bool> receipt{1};
    for (std::size_t i = 0; i < transfers; ++i) {
      if (!counter.send({mine.next(), &receipt}) || !receipt.recv()) return;
    }
  });
  counter.close();
  return judge(teller.join());
}

verdict with_nothing_shared() {
  struct message {
    enum class kind { withdraw, deposit } what;
    std::size_t to = 0;  // whom a withdrawal is for
    long amount = 0;
  };
  // Unbounded, since accounts write to each other: none may wait for another's mailbox.
  std::deque<weft::channel<message>> mailboxes;
  for (std::size_t i = 0; i < accounts; ++i) mailboxes.emplace_back(weft::unbounded);
  // Counts what is under way, the money that travels too: when it is none, no account will hear anything any more.
  std::atomic<std::size_t> under_way{clients * transfers};
  weft::event all_done;
  auto settle = [&] {
    // acq_rel: the last one comes after all others
    if (under_way.fetch_sub(1, std::memory_order_acq_rel) == 1) all_done.set();
  };
  std::vector<weft::join_handle<long>> owners;
  for (std::size_t i = 0; i < accounts; ++i) {
    owners.push_back(weft::spawn({.name = "account"}, [&, i] {
      long balance = opening_balance;
      for (auto& each : mailboxes[i]) {
        if (each.what == message::kind::deposit) {
          balance += each.amount;
          settle();
        } else if (balance < each.amount) {
          settle();
        } else {
          balance -= each.amount;
          static_cast<void>(mailboxes[each.to].send({message::kind::deposit, each.to, each.amount}));
        }
      }
      return balance;
    }));
  }
  for_all_clients([&](std::size_t client) {
    wishes mine{client};
    for (std::size_t i = 0; i < transfers; ++i) {
      auto [from, to, amount] = mine.next();
      static_cast<void>(mailboxes[from].send({message::kind::withdraw, to, amount}));
    }
  });
  static_cast<void>(all_done.wait());
  for (auto& each : mailboxes) each.close();
  std::vector<long> balances;
  for (auto& each : owners) balances.push_back(each.join());
  return judge(balances);
}

}  // namespace

int main(int count, char** arguments) {
  verdict_printer printer{"bank_transfer", count, arguments};
  return weft::run([&] {
    printer.run("broken", broken);
    printer.run("locks", with_locks);
    printer.run("channels", with_channels);
    printer.run("shared-nothing", with_nothing_shared);
    return printer.finish();
  });
}
