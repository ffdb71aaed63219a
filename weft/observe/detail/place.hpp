#pragma once

#include <string>

#include <weft/compute/detail/compute_pool.hpp>

namespace weft::observe {

/// "file:line".
[[nodiscard]] inline std::string place_of(const compute_site& site) {
  return std::string{site.called_at.file_name()} + ':' + std::to_string(site.called_at.line());
}

}  // namespace weft::observe
