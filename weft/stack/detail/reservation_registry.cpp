#include "weft/stack/detail/reservation_registry.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>

// A list of nodes that only grows: a signal handler may stand on any of them at any time, so none is ever freed. A
// removed reservation leaves its node empty for the next one; there are as many nodes as there were reservations at the
// same time.

namespace weft::stack::reservation_registry {
namespace {

struct node {
  std::atomic<const reservation*> area = nullptr;
  node* next = nullptr;  // fixed before the node is published
};

std::atomic<node*> first_node = nullptr;
std::mutex changes;  // held by whoever adds or removes

}  // namespace

void add(const reservation& area) {
  std::lock_guard lock{changes};
  // relaxed: written under the lock that is held
  node* head = first_node.load(std::memory_order_relaxed);
  for (node* at = head; at != nullptr; at = at->next) {
    if (at->area.load(std::memory_order_relaxed) != nullptr) continue;  // relaxed: as above
    // release: publishes the reservation; pairs with the acquire of the same word in find()
    at->area.store(&area, std::memory_order_release);
    return;
  }
  auto* fresh = new node;
  fresh->area.store(&area, std::memory_order_relaxed);  // relaxed: published with the node
  fresh->next = head;
  // release: publishes the node and its reservation; pairs with the acquire of the head in find()
  first_node.store(fresh, std::memory_order_release);
}

void remove(const reservation& area) noexcept {
  std::lock_guard lock{changes};
  // relaxed, twice: written under the lock that is held
  for (node* at = first_node.load(std::memory_order_relaxed); at != nullptr; at = at->next) {
    if (at->area.load(std::memory_order_relaxed) != &area) continue;
    // relaxed: publishes nothing. A handler that still sees the reservation faulted before, in a stack that is in use,
    // and then it is not being removed.
    at->area.store(nullptr, std::memory_order_relaxed);
    return;
  }
}

place find(const void* address) noexcept {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  // acquire: sees the nodes that add() published
  for (const node* at = first_node.load(std::memory_order_acquire); at != nullptr; at = at->next) {
    // acquire: sees the reservation that add() published
    const reservation* area = at->area.load(std::memory_order_acquire);
    if (area == nullptr) continue;
    const std::uintptr_t offset = wanted - reinterpret_cast<std::uintptr_t>(area->begin());
    if (offset >= area->bytes()) continue;  // also what lies below: the difference wraps
    const std::size_t index = offset / area->stride_bytes();
    return {area, index, offset % area->stride_bytes() < memory::guard_bytes()};
  }
  return {};
}

}  // namespace weft::stack::reservation_registry
