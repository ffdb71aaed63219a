#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

#include <netinet/in.h>
#include <sys/socket.h>

#include <weft/base/error.hpp>

#include "weft/io/detail/descriptor_table.hpp"

namespace weft {
namespace {

/// A call that makes `before`, and then the system call, as if another thread had been in between.
template <class Before, class Call>
[[nodiscard]] std::optional<result<std::size_t>> call_after(const detail::descriptor_reference& reference,
                                                            Before before, Call call) {
  return detail::call_when_ready(reference, detail::direction::receive, 0, [&](int number) {
    before();
    return call(number);
  });
}

[[nodiscard]] int listening_socket() {
  const int number = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::bind(number, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(number, 1), 0);
  return number;
}

ssize_t accept_one(int number) { return ::accept4(number, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); }

TEST(descriptor, a_listener_that_is_closed_while_somebody_accepts_says_closed) {
  auto listener = detail::descriptor::attach(listening_socket());
  ASSERT_TRUE(listener);
  auto accepted = call_after(listener->get(), [&] { listener->get().close(); }, accept_one);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->error(), errc::closed);
}

TEST(descriptor, an_error_of_one_that_is_open_is_told_as_it_is) {
  auto listener = detail::descriptor::attach(listening_socket());
  ASSERT_TRUE(listener);
  auto failed = call_after(
      listener->get(), [] {},
      [](int) -> ssize_t {
        errno = EINVAL;
        return -1;
      });
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->error(), std::errc::invalid_argument);
}

}  // namespace
}  // namespace weft
