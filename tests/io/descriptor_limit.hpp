#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <vector>

namespace weft::testing {

/// While it lives, the process may open no more than `spare` further descriptors.
class descriptor_limit {
 public:
  explicit descriptor_limit(std::size_t spare) {
    meet_error_categories();
    ::getrlimit(RLIMIT_NOFILE, &before_);
    // The limit is the first number that cannot be had, and the lowest free ones are given out: what is free below
    // counts.
    std::vector<int> opened;
    while (opened.size() <= spare) opened.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    auto lowered = before_;
    lowered.rlim_cur = static_cast<rlim_t>(opened.back());
    for (int number : opened) ::close(number);
    ::setrlimit(RLIMIT_NOFILE, &lowered);
  }
  ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  descriptor_limit(const descriptor_limit&) = delete;
  descriptor_limit& operator=(const descriptor_limit&) = delete;

 private:
  /// UndefinedBehaviorSanitizer, when it first meets an object of a polymorphic type, opens a pipe to look whether its
  /// memory can be read, and without descriptors takes the object for none. So it meets here, as long as there are
  /// some, what a shortage brings: errors that are compared.
  static void meet_error_categories() {
    // Unequal ones, of which both are asked.
    volatile bool met = std::error_code{EMFILE, std::system_category()} == std::errc::connection_aborted;
    static_cast<void>(met);
  }

  rlimit before_{};
};

}  // namespace weft::testing
