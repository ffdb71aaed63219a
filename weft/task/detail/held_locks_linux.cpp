#include <dlfcn.h>

#include "weft/task/detail/held_locks.hpp"

namespace weft::detail {

held_lock_function find_lock_check() noexcept {
  return reinterpret_cast<held_lock_function>(::dlsym(RTLD_DEFAULT, "weft_take_held_lock"));
}

}  // namespace weft::detail
