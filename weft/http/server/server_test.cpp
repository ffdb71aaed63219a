#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/server.hpp>
#include <weft/net/tcp.hpp>
#include <weft/sync/semaphore.hpp>

#include "tests/support/descriptor_limit.hpp"
#include "tests/support/http/raw_client.hpp"
#include "tests/support/io_fixture.hpp"

// The server over real sockets: accepting, limits on connections, stopping, and the ways to run connections.
namespace weft::http {
namespace {

using namespace std::chrono_literals;
using test::raw_client;

const std::string get_hello = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

router hello_routes() {
  router routes;
  routes.get("/hello", [](request&, response& answer) { answer.text("Hello world!"); });
  routes.post("/echo", [](request& asked, response& answer) { answer.text(asked.body().read_all().value()); });
  return routes;
}

tcp_listener bind_somewhere() { return tcp_listener::bind("127.0.0.1:0").value(); }

class http_server : public weft::testing::io_test {};
WEFT_ON_EVERY_REACTOR(http_server);

TEST_P(http_server, serves_many_connections_until_it_is_stopped) {
  run([] {
    auto listener = bind_somewhere();
    server tested{hello_routes()};
    auto serving = spawn([&] { return tested.serve(listener); });
    scope clients;
    for (int client = 0; client < 20; ++client) {
      clients.spawn([&, client] {
        raw_client mine{listener.local()};
        for (int i = 0; i < 20; ++i) {
          EXPECT_EQ(mine.ask(get_hello).body, "Hello world!");
          auto body = std::to_string(client) + ":" + std::to_string(i);
          EXPECT_EQ(mine.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
                             "\r\n\r\n" + body)
                        .body,
                    body);
        }
      });
    }
    clients.join();
    tested.stop();
    EXPECT_TRUE(serving.join());
    EXPECT_EQ(tested.connections(), 0u);
  });
}

TEST_P(http_server, stop_closes_idle_connections_and_finishes_the_request_that_runs) {
  run([] {
    semaphore entered{0}, leave{0};
    router routes = hello_routes();
    routes.get("/waits", [&](request&, response& answer) {
      entered.release();
      EXPECT_TRUE(leave.acquire());
      answer.text("finished");
    });
    auto listener = bind_somewhere();
    server tested{std::move(routes)};
    auto serving = spawn([&] { return tested.serve(listener); });
    raw_client idle{listener.local()};
    EXPECT_EQ(idle.ask(get_hello).status, 200);
    raw_client silent{listener.local()};  // has sent nothing at all
    auto busy = std::make_unique<raw_client>(listener.local());
    busy->send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n" + get_hello);
    EXPECT_TRUE(entered.acquire());
    tested.stop();
    EXPECT_EQ(idle.answer().status, 0);
    EXPECT_EQ(silent.answer().status, 0);
    EXPECT_FALSE(serving.has_ended());
    leave.release();
    auto last = busy->answer();
    EXPECT_EQ(last.body, "finished");
    EXPECT_EQ(last.field("Connection"), "close");
    EXPECT_EQ(busy->answer().status, 0);
    busy.reset();  // the server waits for it, lest it lose the answer
    EXPECT_TRUE(serving.join());
  });
}

TEST_P(http_server, what_is_not_finished_at_the_drain_deadline_is_cancelled) {
  run([] {
    semaphore entered{0}, never{0};
    std::error_code waited;
    router routes;
    routes.get("/waits", [&](request&, response&) {
      entered.release();
      waited = never.acquire().error();
    });
    routes.post("/reads", [&](request& asked, response&) {
      entered.release();
      EXPECT_FALSE(asked.body().read_all());
    });
    auto listener = bind_somewhere();
    server tested{std::move(routes), {.drain_timeout = 0s}};
    auto serving = spawn([&] { return tested.serve(listener); });
    raw_client waiting{listener.local()};
    waiting.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    raw_client sending{listener.local()};
    sending.send("POST /reads HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    EXPECT_TRUE(entered.acquire());
    EXPECT_TRUE(entered.acquire());
    tested.stop();
    EXPECT_TRUE(serving.join());
    EXPECT_EQ(waited, errc::cancelled);
    EXPECT_EQ(sending.answer().status, 0);
  });
}

TEST_P(http_server, cancelling_the_task_that_serves_ends_it) {
  run([] {
    auto listener = bind_somewhere();
    server tested{hello_routes()};
    auto serving = spawn([&] { return tested.serve(listener); });
    raw_client idle{listener.local()};
    EXPECT_EQ(idle.ask(get_hello).status, 200);
    serving.cancel();
    EXPECT_TRUE(serving.join());
    EXPECT_EQ(idle.answer().status, 0);
  });
}

TEST_P(http_server, connections_beyond_the_limit_wait_until_one_ends) {
  run([] {
    auto listener = bind_somewhere();
    server tested{hello_routes(), {.max_connections = 1}};
    auto serving = spawn([&] { return tested.serve(listener); });
    auto first = std::make_unique<raw_client>(listener.local());
    EXPECT_EQ(first->ask(get_hello).status, 200);
    raw_client second{listener.local()};  // in the system's queue
    second.send(get_hello);
    EXPECT_EQ(first->ask(get_hello).status, 200);
    EXPECT_EQ(tested.connections(), 1u);
    first.reset();
    EXPECT_EQ(second.answer().status, 200);
    tested.stop();
    EXPECT_TRUE(serving.join());
  });
}

TEST_P(http_server, connections_beyond_the_limit_are_refused_when_told_so) {
  run([] {
    auto listener = bind_somewhere();
    server tested{hello_routes(), {.max_connections = 1, .full = when_full::refuse}};
    auto serving = spawn([&] { return tested.serve(listener); });
    raw_client first{listener.local()};
    EXPECT_EQ(first.ask(get_hello).status, 200);
    auto second = std::make_unique<raw_client>(listener.local());
    auto refused = second->ask(get_hello);
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.field("Connection"), "close");
    EXPECT_NE(refused.body.find("service_unavailable"), std::string::npos);
    EXPECT_EQ(second->answer().status, 0);
    second.reset();
    EXPECT_EQ(first.ask(get_hello).status, 200);
    tested.stop();
    EXPECT_TRUE(serving.join());
  });
}

TEST_P(http_server, a_server_waiting_for_room_can_be_stopped) {
  run([] {
    auto listener = bind_somewhere();
    server tested{hello_routes(), {.max_connections = 1}};
    auto serving = spawn([&] { return tested.serve(listener); });
    raw_client only{listener.local()};
    EXPECT_EQ(only.ask(get_hello).status, 200);
    tested.stop();
    EXPECT_TRUE(serving.join());
    EXPECT_TRUE(tested.serve(listener));  // a stopped server stays stopped
  });
}

TEST_P(http_server, without_descriptors_it_backs_off_longer_each_time_and_then_goes_on) {
  run([] {
    auto listener = bind_somewhere();
    std::vector<std::chrono::nanoseconds> pauses;
    semaphore failed{0};
    auto count = [&](std::error_code why, std::chrono::nanoseconds pause) {
      EXPECT_EQ(why, std::errc::too_many_files_open);
      pauses.push_back(pause);
      failed.release();
    };
    server tested{hello_routes(), {.on_accept_error = count}};
    auto serving = spawn([&] { return tested.serve(listener); });
    std::optional<testing::descriptor_limit> shortage{std::in_place, 1};
    raw_client queued{listener.local()};  // takes the last descriptor
    queued.send(get_hello);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(failed.acquire());
    shortage.reset();
    EXPECT_EQ(queued.answer().status, 200);
    tested.stop();
    EXPECT_TRUE(serving.join());
    pauses.resize(3);
    EXPECT_EQ(pauses, (std::vector<std::chrono::nanoseconds>{5ms, 10ms, 20ms}));
  });
}

TEST_P(http_server, a_server_that_backs_off_can_be_stopped) {
  run([] {
    auto listener = bind_somewhere();
    semaphore failed{0};
    server tested{hello_routes(),
                  {.on_accept_error = [&](std::error_code, std::chrono::nanoseconds) { failed.release(); }}};
    auto serving = spawn([&] { return tested.serve(listener); });
    testing::descriptor_limit shortage{1};
    raw_client queued{listener.local()};  // takes the last descriptor
    EXPECT_TRUE(failed.acquire());
    tested.stop();
    EXPECT_TRUE(serving.join());
    EXPECT_EQ(queued.answer().status, 0);
  });
}

// ---- Closing while the client is still sending ----

/// What a client gets that sends `request` and 40 MB behind it, `before` and `after` each megabyte, and then reads.
int status_after_sending_all(const endpoint& where, std::string_view request, std::string_view before = {},
                             std::string_view after = {}) {
  raw_client client{where};
  client.send(request);
  const std::string piece = std::string{before} + std::string(1'000'000, 'x') + std::string{after};
  for (int i = 0; i < 40; ++i) client.send(piece);
  return client.answer().status;
}

TEST_P(http_server, a_client_that_sends_all_of_a_refused_body_before_it_reads_gets_the_answer) {
  run([] {
    router routes;
    routes.post("/read", [](request& asked, response&) { static_cast<void>(asked.body().read_all()); });
    auto listener = bind_somewhere();
    server tested{std::move(routes)};
    auto serving = spawn([&] { return tested.serve(listener); });
    const auto where = listener.local();
    const std::string length = " HTTP/1.1\r\nHost: a\r\nContent-Length: 40000000\r\n\r\n";
    const std::string chunked = " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(status_after_sending_all(where, "POST /read" + length), 413);
    EXPECT_EQ(status_after_sending_all(where, "POST /read" + chunked, "f4240\r\n", "\r\n"), 413);
    EXPECT_EQ(status_after_sending_all(where, "POST /nothing" + chunked, "f4240\r\n", "\r\n"), 404);
    EXPECT_EQ(status_after_sending_all(where, "?"), 400);
    tested.stop();
    EXPECT_TRUE(serving.join());
  });
}

TEST_P(http_server, unread_bytes_behind_the_last_request_do_not_truncate_its_answer) {
  run([] {
    const std::string large(8'000'000, 'x');
    router routes;
    routes.get("/large", [&](request&, response& answer) { answer.text(large); });
    routes.get("/breaks", [](request&, response& answer) { static_cast<void>(answer.content_length(2).write("1")); });
    auto listener = bind_somewhere();
    server tested{std::move(routes)};
    auto serving = spawn([&] { return tested.serve(listener); });
    const std::string junk(20'000, '\n');
    for (std::string request :
         {"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /large HTTP/1.0\r\n\r\n",
          "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",  // and refused behind it
          "GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /breaks HTTP/1.1\r\nHost: a\r\n\r\n"}) {
      raw_client client{listener.local()};
      client.send(request + junk);
      auto got = client.answer();
      EXPECT_EQ(got.status, 200) << request;
      EXPECT_EQ(got.body.size(), large.size()) << request;
    }
    tested.stop();
    EXPECT_TRUE(serving.join());
  });
}

TEST_P(http_server, a_client_that_reads_its_answer_and_stays_delays_the_stop_no_longer_than_the_drain_deadline) {
  run([] {
    auto listener = bind_somewhere();
    server tested{hello_routes(), {.linger_timeout = 1h, .linger_idle_timeout = 1h, .drain_timeout = 0s}};
    auto serving = spawn([&] { return tested.serve(listener); });
    raw_client stays{listener.local()};
    EXPECT_EQ(stays.ask("?").status, 400);
    EXPECT_EQ(stays.answer().status, 0);  // only the server's half has ended
    EXPECT_EQ(tested.connections(), 1u);
    tested.stop();
    EXPECT_TRUE(serving.join());
  });
}

// ---- Ways to run connections, with the same handlers ----

/// A few threads that take jobs from one queue.
class thread_pool {
 public:
  explicit thread_pool(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~thread_pool() {
    {
      std::scoped_lock guard{lock_};
      over_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }
  void submit(connection_job job) {
    {
      std::scoped_lock guard{lock_};
      jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
  }

 private:
  void work() {
    std::unique_lock guard{lock_};
    for (;;) {
      changed_.wait(guard, [&] { return over_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      auto job = std::move(jobs_.front());
      jobs_.pop_front();
      guard.unlock();
      job();
      guard.lock();
    }
  }

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<connection_job> jobs_;
  bool over_ = false;
  std::vector<std::thread> threads_;
};

/// Serves on a plain OS thread, with no runtime, and runs `use` meanwhile; then stops.
void with_server(server& tested, const connection_executor& execute, const std::function<void(const endpoint&)>& use) {
  auto before = weft::testing::open_descriptors();
  {
    auto listener = bind_somewhere();
    std::thread serving{[&] { EXPECT_TRUE(tested.serve(listener, execute)); }};
    use(listener.local());
    tested.stop();
    serving.join();
  }
  EXPECT_EQ(weft::testing::open_descriptors(), before);
}

void ask_a_lot(const endpoint& where) {
  for (int connection = 0; connection < 5; ++connection) {
    raw_client client{where};
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(client.ask(get_hello).body, "Hello world!");
      EXPECT_EQ(
          client.ask("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").body,
          "abc");
    }
  }
}

TEST(http_server_threads, one_thread_serves_one_connection_after_the_other) {
  server tested{hello_routes()};
  with_server(tested, [](connection_job job) { job(); }, ask_a_lot);
}

TEST(http_server_threads, a_thread_per_connection) {
  server tested{hello_routes()};
  std::vector<std::thread> threads;
  with_server(
      tested, [&](connection_job job) { threads.emplace_back(std::move(job)); },
      [](const endpoint& where) {
        std::vector<std::thread> clients;
        for (int i = 0; i < 4; ++i) clients.emplace_back([&] { ask_a_lot(where); });
        for (auto& client : clients) client.join();
      });
  for (auto& thread : threads) thread.join();
}

TEST(http_server_threads, a_pool_of_threads) {
  server tested{hello_routes()};
  thread_pool pool{2};
  with_server(
      tested, [&](connection_job job) { pool.submit(std::move(job)); },
      [](const endpoint& where) {
        std::vector<std::thread> clients;
        for (int i = 0; i < 4; ++i) clients.emplace_back([&] { ask_a_lot(where); });
        for (auto& client : clients) client.join();
      });
}

TEST(http_server_threads, stop_wakes_a_thread_that_waits_for_a_request) {
  server tested{hello_routes()};
  std::thread runner;
  with_server(
      tested, [&](connection_job job) { runner = std::thread{std::move(job)}; },
      [&](const endpoint& where) {
        raw_client idle{where};
        EXPECT_EQ(idle.ask(get_hello).status, 200);
        tested.stop();
        EXPECT_EQ(idle.answer().status, 0);
      });
  runner.join();
}

TEST(http_server_threads, a_job_that_is_dropped_closes_its_connection) {
  server tested{hello_routes()};
  with_server(
      tested, [](connection_job) {},
      [](const endpoint& where) {
        raw_client client{where};
        EXPECT_EQ(client.answer().status, 0);
      });
}

TEST(http_server_threads, deadlines_hold_on_a_plain_thread) {
  server tested{hello_routes(), {.header_timeout = 20ms}};
  with_server(
      tested, [](connection_job job) { job(); },
      [](const endpoint& where) {
        raw_client slow{where};
        EXPECT_EQ(slow.ask("GET /hel").status, 408);
      });
}

}  // namespace
}  // namespace weft::http
