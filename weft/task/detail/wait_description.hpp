#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include <weft/base/accounting.hpp>
#include <weft/base/containers.hpp>

namespace weft::detail {

class task_base;

/// One of the things that can end a wait, for dumps and the search for deadlocks.
struct wait_case {
  wait_kind kind{};
  std::string_view what;         ///< "mutex", "task" …: a literal; empty where the operation does not say
  const void* object = nullptr;  ///< what is waited for; null where the operation does not say
  /// Whether `needs` names all that can make the case happen.
  bool is_known = false;
  /// Tasks that each have to do something first: end, unlock. Compared, never looked into.
  plain::vector<const task_base*> needs;
};

/// What a wait is for: any of its cases ends it.
struct wait_description {
  plain::vector<wait_case> cases;

  void add(wait_kind kind, std::string_view what = {}, const void* object = nullptr) {
    cases.push_back({.kind = kind, .what = what, .object = object, .is_known = false, .needs = {}});
  }
  void add_known(wait_kind kind, std::string_view what, const void* object, plain::vector<const task_base*> needs) {
    cases.push_back({.kind = kind, .what = what, .object = object, .is_known = true, .needs = std::move(needs)});
  }
};

/// Adds what `op` waits for. An operation that knows more than its kind has `describe(wait_description&) const`, which
/// may take the lock of its object.
template <class Op>
void describe_operation(const Op& op, wait_description& into) {
  if constexpr (requires { op.describe(into); }) {
    op.describe(into);
  } else {
    into.add(Op::kind);
  }
}

/// describe_operation(), its type forgotten.
using describe_function = void (*)(const void* op, wait_description& into);

template <class Op>
void describe_wait(const void* op, wait_description& into) {
  describe_operation(*static_cast<const Op*>(op), into);
}

}  // namespace weft::detail
