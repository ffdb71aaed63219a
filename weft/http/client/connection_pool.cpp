#include "weft/http/client/connection_pool.hpp"

namespace weft::http::detail {

std::unique_ptr<client_connection> connection_pool::take(const std::string& host) {
  connections too_old;  // closed after the lock is given back
  std::scoped_lock guard{lock_};
  auto found = by_host_.find(host);
  if (found == by_host_.end()) return nullptr;
  auto youngest = std::move(found->second.back());
  found->second.pop_back();
  if (now() - youngest->idle_since > idle_timeout_) {
    too_old = std::move(found->second);
    too_old.push_back(std::move(youngest));
    found->second.clear();
  }
  if (found->second.empty()) by_host_.erase(found);
  return youngest;
}

void connection_pool::give_back(const std::string& host, std::unique_ptr<client_connection> connection) {
  connection->idle_since = now();
  connections too_many;
  std::scoped_lock guard{lock_};
  if (most_per_host_ == 0) {
    too_many.push_back(std::move(connection));
    return;
  }
  auto& idle = by_host_[host];
  if (idle.size() == most_per_host_) {
    too_many.push_back(std::move(idle.front()));
    idle.erase(idle.begin());
  }
  idle.push_back(std::move(connection));
}

std::size_t connection_pool::size() const noexcept {
  std::scoped_lock guard{lock_};
  std::size_t all = 0;
  for (const auto& [host, idle] : by_host_) all += idle.size();
  return all;
}

}  // namespace weft::http::detail
