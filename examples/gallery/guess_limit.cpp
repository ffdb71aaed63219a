#include "guess_limit.hpp"

#include <algorithm>

#include <weft/net/endpoint.hpp>

namespace gallery {
namespace {

/// "127.0.0.1" or "127.0.0.1:4711" -> "127.0.0.1"; "2001:db8::1" -> the first 64 bits of it.
std::string sender_at(std::string_view peer) {
  auto parsed = weft::endpoint::parse(peer, 0);
  if (!parsed) parsed = weft::endpoint::parse(peer);
  if (!parsed) return std::string(peer);
  if (!parsed->is_ipv6()) return parsed->address();
  return {reinterpret_cast<const char*>(parsed->address_bytes().data()), 8};
}

}  // namespace

std::optional<std::chrono::seconds> guess_limit::wait_of(std::string_view peer, time_point now) {
  const std::scoped_lock held(lock_);
  const auto found = senders_.find(sender_at(peer));
  if (found == senders_.end() || found->second.until <= now) return std::nullopt;
  return std::chrono::ceil<std::chrono::seconds>(found->second.until - now);
}

void guess_limit::wrong(std::string_view peer, time_point now) {
  const std::scoped_lock held(lock_);
  if (senders_.size() == most_senders) forget_one();
  auto& sender = senders_[sender_at(peer)];
  // A sender that kept quiet for long begins anew.
  if (sender.guesses > 0 && now - sender.last > 2 * longest_wait) sender = {};
  sender.last = now;
  if (++sender.guesses < free_guesses) return;
  const unsigned doublings = std::min(sender.guesses - free_guesses, 6u);
  sender.until = now + std::min(shortest_wait * (1 << doublings), longest_wait);
}

void guess_limit::right(std::string_view peer) {
  const std::scoped_lock held(lock_);
  if (senders_.empty()) return;
  const auto found = senders_.find(sender_at(peer));
  if (found != senders_.end()) senders_.erase(found);
}

void guess_limit::forget_one() {
  senders_.erase(std::ranges::min_element(senders_, {}, [](const auto& each) { return each.second.last; }));
}

}  // namespace gallery
