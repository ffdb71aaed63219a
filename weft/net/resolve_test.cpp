#include <weft/net/resolve.hpp>
#include <weft/task/deadline_scope.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/support/io_fixture.hpp"
#include "tests/support/name_server.hpp"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace testing;

using addresses = result<std::vector<endpoint>>;

/// Each case with a name server of its own, and nobody else is asked.
class names : public io_waiter_test {
 protected:
  [[nodiscard]] resolve_options asking(duration timeout = 5s, unsigned tries = 1) const {
    return {.servers = {server_.where()}, .timeout = timeout, .tries = tries};
  }

  [[nodiscard]] static join_handle<addresses> start(std::string host, resolve_options options) {
    if (kind() == waiter::coroutine) return spawn(async_resolve(std::move(host), 80, std::move(options)));
    auto resolve_here = [host, options] { return resolve(host, 80, options); };
    if (kind() == waiter::virtual_thread) return spawn(resolve_here);
    return spawn([resolve_here] { return blocking(resolve_here); });
  }

  [[nodiscard]] static addresses look_up(std::string host, resolve_options options) {
    return start(std::move(host), std::move(options)).join();
  }

  name_server server_;
};
class names_by_task : public names {};
WEFT_ON_EVERY_REACTOR_BY(names, waiter::virtual_thread, waiter::coroutine, waiter::os_thread);
WEFT_ON_EVERY_REACTOR_BY(names_by_task, waiter::virtual_thread, waiter::coroutine);

TEST_P(names, a_name_has_the_addresses_that_its_server_says) {
  run([this] {
    auto found = look_up("both.test", asking());
    ASSERT_TRUE(found) << found.error().message();
    std::vector<std::string> texts;
    for (const auto& each : *found) texts.push_back(each.to_string());
    std::sort(texts.begin(), texts.end());
    EXPECT_EQ(texts, (std::vector<std::string>{"192.0.2.7:80", "[2001:db8::7]:80"}));
  });
}

TEST_P(names, a_number_and_a_name_in_the_hosts_file_ask_nobody) {
  run([this] {
    EXPECT_EQ(look_up("192.0.2.9", asking()), std::vector{endpoint::parse("192.0.2.9:80").value()});
    EXPECT_EQ(look_up("::1", asking()), std::vector{endpoint::parse("[::1]:80").value()});
    auto local = look_up("localhost", asking());
    ASSERT_TRUE(local) << local.error().message();
    EXPECT_TRUE(std::all_of(local->begin(), local->end(), [](const auto& each) { return each.is_loopback(); }));
    EXPECT_EQ(server_.questions(), 0);
  });
}

TEST_P(names, a_name_that_nobody_has_is_said_to_be_so) {
  run([this] {
    EXPECT_EQ(look_up("missing.test", asking()).error(), resolve_errc::no_such_host);
    EXPECT_EQ(look_up("missing.test", asking()).error().message(), "no such host");
  });
}

TEST_P(names, what_cannot_be_a_name_is_refused_without_asking) {
  run([this] {
    for (const auto& name : {std::string{}, std::string{"a\0b", 3}, std::string(300, 'x'), std::string{"a..b"}}) {
      EXPECT_EQ(look_up(name, asking()).error(), errc::malformed) << name;
    }
    EXPECT_EQ(server_.questions(), 0);
  });
}

TEST_P(names, a_server_that_fails_is_no_answer) {
  run([this] { EXPECT_EQ(look_up("broken.test", asking()).error(), resolve_errc::no_answer); });
}

TEST_P(names, a_server_that_is_silent_is_asked_again_and_then_given_up) {
  run([this] {
    EXPECT_EQ(look_up("silent.test", asking(5ms, 2)).error(), errc::timed_out);
    // The last may not have been read yet.
    while (server_.questions() < 4) std::this_thread::yield();
    EXPECT_EQ(server_.questions(), 4) << "for each kind of address, twice";
  });
}

TEST_P(names, an_answer_to_the_second_question_is_as_good) {
  run([this] {
    EXPECT_EQ(look_up("slow.test", asking(20ms, 20)), std::vector{endpoint::parse("192.0.2.8:80").value()});
  });
}

TEST_P(names_by_task, cancelling_withdraws_the_question) {
  run([this] {
    auto asking_in_vain = start("silent.test", asking());
    run_until_parked(asking_in_vain);
    asking_in_vain.cancel();
    EXPECT_EQ(asking_in_vain.join().error(), errc::cancelled);
  });
}

TEST_P(names_by_task, the_callers_deadline_ends_the_question) {
  run([this] {
    auto outcome = [](resolve_options options) -> task<addresses> {
      deadline_scope within{5ms};
      co_return co_await async_resolve("silent.test", 80, std::move(options));
    };
    EXPECT_EQ((kind() == waiter::coroutine ? spawn(outcome(asking())).join() : await(outcome(asking()))).error(),
              errc::timed_out);
  });
}

TEST_P(names, many_questions_at_once_get_their_own_answers) {
  run([this] {
    scope all;
    for (int i = 0; i < 50; ++i) {
      all.spawn([this] { EXPECT_EQ(look_up("both.test", asking(50ms, 50)).value().size(), 2u); });
      all.spawn([this] {
        EXPECT_EQ(look_up("local.test", asking(50ms, 50)), std::vector{endpoint::parse("127.0.0.1:80").value()});
      });
    }
    all.join();
  });
}

class connecting : public io_test {};
WEFT_ON_EVERY_REACTOR(connecting);

TEST_P(connecting, by_name_tries_each_address) {
  run([] {
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto client = tcp_stream::connect("localhost", listener.local().port());
    ASSERT_TRUE(client) << client.error().message();
    EXPECT_EQ(client->peer(), listener.local());
    auto port = listener.local().port();
    listener.close();
    EXPECT_EQ(tcp_stream::connect("localhost", port).error(), std::errc::connection_refused);
  });
}

TEST(names_without_a_runtime, are_resolved_in_place) {
  name_server server;
  auto found = resolve("both.test", 80, {.servers = {server.where()}});
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->size(), 2u);
}

}  // namespace
}  // namespace weft
