// A program that has libstdc++ check its containers (_GLIBCXX_DEBUG), which gives them another layout, on libraries
// that were built without. It makes, fills and destroys objects of every public class that holds a container, has the
// library use them, and uses what the library made. Without GoogleTest, whose own classes hold containers.

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/weft.hpp>

namespace {

#define EXPECT(condition) \
  ((condition) ? void() : (std::fprintf(stderr, "%d: not so: %s\n", __LINE__, #condition), std::exit(1)))

using namespace std::chrono_literals;

void use_scopes() {
  weft::scope plain_one;
  for (int i = 0; i < 10; ++i) plain_one.spawn([] { throw std::runtime_error{"a child's"}; });
  bool thrown = false;
  try {
    plain_one.join();
  } catch (const std::runtime_error&) {
    thrown = true;
  }
  EXPECT(thrown);
  weft::scope all{{.policy = weft::scope_policy::collect_all}};
  for (int i = 0; i < 10; ++i) all.spawn([] { throw std::runtime_error{"a child's"}; });
  try {
    all.join();
    EXPECT(false);
  } catch (const weft::scope_errors& errors) {
    EXPECT(errors.all().size() == 10);
    std::vector<std::exception_ptr> mine(errors.all());
    EXPECT(mine.size() == 10);
  }
  weft::first_success<int> one;
  one.spawn([] { return weft::result<int>{1}; });
  EXPECT(one.join() == 1);
}

void use_sync() {
  weft::mutex locked;
  weft::channel<std::string> texts{4u};
  weft::channel<int> unbounded{weft::unbounded};
  std::vector<int> mine;
  for (int i = 0; i < 100; ++i) EXPECT(unbounded.send(i));
  EXPECT(unbounded.recv_many(mine, 50) == 50u);
  EXPECT(mine.size() == 50);
  weft::broadcast<int> told{8};
  auto hears = told.subscribe();
  EXPECT(told.send(3));
  EXPECT(hears.recv() == 3);
  std::vector<weft::join_handle<void>> handles;
  for (int i = 0; i < 50; ++i) {
    handles.push_back(weft::spawn([&] {
      std::lock_guard guard{locked};
      weft::yield();
    }));
  }
  for (auto& each : handles) each.join();
  weft::event set;
  auto waits = weft::spawn([&]() -> weft::task<bool> { co_return (co_await set.async_wait()).has_value(); });
  set.set();
  EXPECT(waits.join());
}

void use_parallel() {
  std::vector<int> numbers(10'000);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int>(numbers.size() - i);
  weft::parallel_sort(numbers.begin(), numbers.end());
  EXPECT(std::is_sorted(numbers.begin(), numbers.end()));
  EXPECT(weft::parallel_reduce(numbers.begin(), numbers.end(), 0, std::plus<>{}) == 50'005'000);
  EXPECT(weft::compute([] { return 7; }) == 7);
}

void use_dumps(weft::runtime& here) {
  weft::event go;
  auto waits = weft::spawn({.name = "waits"}, [&] { return go.wait().has_value(); });
  while (!waits.is_parked()) weft::yield();
  bool seen = false;
  for (const auto& task : here.tasks()) {
    if (task.name != "waits") continue;
    seen = true;
    EXPECT(task.waits_for.size() == 1 && !task.trace.empty());
    auto copy = task;
    EXPECT(describe(copy).find("waits") != std::string::npos);
    EXPECT(!describe_with_trace(copy).empty());
  }
  EXPECT(seen);
  EXPECT(here.find_deadlocks().empty());
  EXPECT(!here.dump_tasks().empty());
  EXPECT(!here.compute_sites().empty());
  EXPECT(here.blocking_waits_in_coroutines().empty());
  for (const auto& each : here.stack_uses()) EXPECT(each.measured > 0);
  for (const auto& each : here.stalls()) EXPECT(each.stalls > 0);
  go.set();
  EXPECT(waits.join());
}

void use_http() {
  weft::http::router routes;
  routes.get("/photos/{id}",
             [](weft::http::request& asked, weft::http::response& answer) { answer.text(asked.parameter("id")); });
  routes.guard([](weft::http::request&, weft::http::response&) {});
  auto found = routes.match(weft::http::method::get, "/photos/7");
  EXPECT(found.route != nullptr && found.route->parameter_names.size() == 1);
  weft::http::client_request asks{.headers = {{"Accept", "text/plain"}, {"X-Other", "1"}}};
  std::vector<weft::http::header_field> mine{{"Accept", "text/html"}};
  asks.headers = mine;
  weft::http::client client;
  weft::deadline_scope soon{5s};
  auto where = weft::http::url::parse("http://127.0.0.1:1/");  // nobody listens there
  EXPECT(where && !client.send(*where, asks));
  auto resolved = weft::resolve("127.0.0.1", 80, {});
  EXPECT(resolved && resolved->size() == 1);
}

void use_figures() {
  weft::observe::recorder records{{.service = "s", .model = "m"}};
  auto& route = records.add_route("GET", "/");
  {
    weft::observe::span one{records};
    one.close(route, 200);
  }
  auto figures = records.snapshot();
  EXPECT(figures.routes.size() == 1 && figures.routes.front().path == "/");
  EXPECT(weft::observe::to_json(figures).find("\"/\"") != std::string::npos);
  EXPECT(!weft::observe::to_prometheus(figures).empty());
}

}  // namespace

int main() {
  std::atomic<int> stalls{0};
  weft::run_options options{.seats = 2, .tracking = {.tasks = weft::tracking::on}};
  options.watchdog.slice = 1ms;
  options.watchdog.on_stall = [&](const weft::sched::stall& event) {
    static_cast<void>(describe(event));
    if (!event.trace.empty()) ++stalls;
  };
  weft::run(options, [&] {
    use_scopes();
    use_sync();
    use_parallel();
    use_dumps(*weft::runtime::current());
    use_http();
    use_figures();
    auto spins = weft::spawn([&] {
      while (stalls == 0) {}
    });
    spins.join();
  });
  std::puts("the containers are laid out as the library has them");
}
