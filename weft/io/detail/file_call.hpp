#pragma once

#include <cstddef>
#include <cstdint>

#include <weft/base/detail/intrusive_list.hpp>

namespace weft::detail {

/// A system call on a file: what a thread can make in place, and a reactor can be handed.
struct file_call {
  enum class kind : std::uint8_t { open, read, write, append, sync, rename, remove };

  kind what;
  int number = -1;                ///< the descriptor, but for open, rename and remove
  int flags = 0;                  ///< open
  unsigned permissions = 0;       ///< open
  const char* path = nullptr;     ///< open, rename, remove
  const char* path_to = nullptr;  ///< rename
  std::byte* buffer = nullptr;    ///< read, write, append
  std::size_t bytes = 0;
  std::uint64_t offset = 0;  ///< read, write

  /// Whether it is about a name, not about an open file.
  [[nodiscard]] bool takes_path() const noexcept {
    return what == kind::open || what == kind::rename || what == kind::remove;
  }

  /// Makes the call in place. Returns what it returned, or minus an errno.
  [[nodiscard]] std::int64_t make() const noexcept;
};

/// A call that a reactor makes. Linked while the reactor is being asked to cancel it.
class file_request : public base::list_hook {
 public:
  file_call call;

  /// The call's outcome, as file_call::make() gives it; -ECANCELED when a request to cancel ended it.
  virtual void completed(std::int64_t result) noexcept = 0;

 protected:
  explicit file_request(const file_call& what) noexcept : call{what} {}
  file_request(const file_request& other) noexcept : list_hook{}, call{other.call} {}
  ~file_request() = default;
};

}  // namespace weft::detail
