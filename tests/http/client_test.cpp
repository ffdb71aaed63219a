#include <weft/http/client.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/server.hpp>
#include <weft/io/run.hpp>
#include <weft/io/tcp.hpp>
#include <weft/task/scope.hpp>
#include <weft/task/sleep.hpp>

namespace weft::http {
namespace {

using namespace std::chrono_literals;

/// A server on a port of its own that counts its connections, and a client.
class client_test : public ::testing::Test {
 protected:
  template <class F>
  void run(F f, client_options options = {}) {
    auto code = weft::run({.seats = 2}, [&] {
      auto listener = tcp_listener::bind("127.0.0.1:0");
      ASSERT_TRUE(listener);
      where_ = url{.host = "127.0.0.1", .port = listener->local().port()};
      server serving{routes()};
      scope all;
      all.spawn([&] {
        while (auto stream = listener->accept()) {
          ++connections_;
          all.spawn([&, own = std::move(*stream)]() mutable { serving.serve_connection(own); });
        }
      });
      {
        client asking{options};
        f(asking);
      }
      listener->close();
      serving.stop();
      all.cancel();
    });
    EXPECT_EQ(code, 0);
  }

  [[nodiscard]] url at(std::string target) const {
    auto place = where_;
    place.target = std::move(target);
    return place;
  }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  static router routes() {
    router all;
    all.get("/hello", [](request&, response& answer) { answer.text("hello, world"); });
    all.post("/echo", [](request& asked, response& answer) {
      auto body = asked.body().read_all();
      answer.text(body ? *body : "no body");
    });
    all.get("/pieces", [](request&, response& answer) {
      for (int i = 0; i < 100; ++i) {
        if (!answer.write(std::string(1000, 'x'))) return;
      }
    });
    all.get("/slow", [](request&, response& answer) {
      static_cast<void>(sleep(1h));
      answer.text("late");
    });
    return all;
  }

  url where_;
  std::atomic<int> connections_{0};
};

std::string body_of(result<client_response>& answer) {
  if (!answer) return "failed: " + answer.error().message();
  auto body = answer->body().read_all();
  return body ? *body : "body failed: " + body.error().message();
}

TEST_F(client_test, one_connection_serves_one_request_after_the_other) {
  run([&](client& asking) {
    for (int i = 0; i < 10; ++i) {
      auto answer = asking.send(at("/hello"), {});
      ASSERT_TRUE(answer) << answer.error().message();
      EXPECT_EQ(answer->status(), 200u);
      EXPECT_EQ(body_of(answer), "hello, world");
    }
  });
  EXPECT_EQ(connections(), 1);
}

TEST_F(client_test, a_connection_whose_answer_was_not_read_is_not_used_again) {
  run([&](client& asking) {
    { auto unread = asking.send(at("/pieces"), {}); }
    auto answer = asking.send(at("/hello"), {});
    EXPECT_EQ(body_of(answer), "hello, world");
  });
  EXPECT_EQ(connections(), 2);
}

TEST_F(client_test, bodies_go_whole_and_in_chunks_both_ways) {
  run([&](client& asking) {
    std::string text(100'000, 'a');
    auto whole = asking.send(at("/echo"), {.method = method::post, .body = text});
    EXPECT_EQ(body_of(whole), text);
    std::size_t sent = 0;
    auto chunked = asking.send(at("/echo"), {.method = method::post, .stream = [&](std::span<std::byte> into) {
                                               auto bytes = std::min(into.size(), text.size() - sent);
                                               std::memcpy(into.data(), text.data() + sent, bytes);
                                               sent += bytes;
                                               return result<std::size_t>{bytes};
                                             }});
    EXPECT_EQ(body_of(chunked), text);
    auto pieces = asking.send(at("/pieces"), {});
    EXPECT_EQ(body_of(pieces), std::string(100'000, 'x'));
  });
}

TEST_F(client_test, a_deadline_ends_the_wait_for_a_slow_server) {
  run([&](client& asking) {
    deadline_scope limit{20ms};
    auto answer = asking.send(at("/slow"), {});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error(), errc::timed_out);
  });
}

TEST_F(client_test, an_answer_beyond_the_limits_is_refused) {
  run(
      [&](client& asking) {
        auto answer = asking.send(at("/pieces"), {});
        ASSERT_TRUE(answer);
        auto body = answer->body().read_all();
        ASSERT_FALSE(body);
        EXPECT_EQ(body.error(), errc::too_large);
      },
      {.max_body_bytes = 99'999});
}

TEST_F(client_test, nobody_listening_is_an_error_at_once) {
  run([&](client& asking) {
    auto listener = tcp_listener::bind("127.0.0.1:0");
    ASSERT_TRUE(listener);
    url nobody{.host = "127.0.0.1", .port = listener->local().port()};
    listener->close();
    auto answer = asking.send(nobody, {});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error(), std::errc::connection_refused);
  });
}

}  // namespace
}  // namespace weft::http
