#pragma once

#include <sys/resource.h>

#include <cstddef>

namespace weft::testing {

/// While it lives, the process may open no more than `spare` further descriptors.
/// Lifetime: one at a time.
class descriptor_limit {
 public:
  explicit descriptor_limit(std::size_t spare);
  ~descriptor_limit();
  descriptor_limit(const descriptor_limit&) = delete;
  descriptor_limit& operator=(const descriptor_limit&) = delete;

 private:
  rlimit before_{};
};

}  // namespace weft::testing
