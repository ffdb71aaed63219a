#include "photo_id.hpp"

#include "vault.hpp"

namespace gallery {

photo_id photo_id::random() {
  std::array<std::byte, length / 2> fresh;
  fill_randomly(fresh);
  return *parse(hexadecimal(fresh));
}

}  // namespace gallery
