#include <weft/runtime/run.hpp>

#include <cstdlib>
#include <memory>
#include <string>

#include <weft/base/check.hpp>
#include <weft/runtime/runtime.hpp>
#include <weft/task/spawn.hpp>

#include "weft/io/detail/reactor.hpp"

namespace weft {
namespace {

/// What the environment asks for, where the program leaves it open.
[[nodiscard]] reactor_kind reactor_wanted(reactor_kind by_program, const report_function& report) {
  if (by_program != reactor_kind::automatic) return by_program;
  const char* by_environment = std::getenv("WEFT_REACTOR");
  std::string_view word = by_environment ? by_environment : "";
  if (word == "io_uring") return reactor_kind::io_uring;
  if (word == "epoll") return reactor_kind::epoll;
  if (!word.empty()) {
    report("WEFT_REACTOR=" + std::string{word} + " is not known: say io_uring or epoll. Using epoll");
  }
  return reactor_kind::epoll;
}

/// Makes a reactor for each seat: of the kind that is wanted or, where the kernel refuses, epoll, which is reported
/// once.
class reactor_factory {
 public:
  reactor_factory(reactor_kind wanted, report_function report) : wanted_{wanted}, report_{std::move(report)} {}

  [[nodiscard]] std::unique_ptr<sched::driver> operator()(std::size_t) {
    if (wanted_ == reactor_kind::io_uring) {
      auto ring = io::make_io_uring_reactor();
      if (ring) return std::move(*ring);
      wanted_ = reactor_kind::epoll;
      report_("io_uring is not available (" + ring.error().message() + "): using epoll");
    }
    auto made = io::make_epoll_reactor();
    if (!made) throw std::system_error{made.error(), "weft: cannot make a reactor"};
    return std::move(*made);
  }

 private:
  reactor_kind wanted_;
  report_function report_;
};

}  // namespace

int detail::run(const run_options& options, std::function<int()> main, const std::source_location& site) {
  WEFT_CHECK(runtime::current() == nullptr, "weft::run() starts the runtime, which runs already: use spawn()");
  auto report = options.report ? options.report : report_on_standard_error;
  runtime_options chosen{.seats = options.seats,
                         .compute_carriers = options.compute_carriers,
                         .compute_queue = options.compute_queue,
                         .blocking_threads = options.blocking_threads,
                         .stays_on_thread = options.stays_on_thread,
                         .make_driver = reactor_factory{reactor_wanted(options.reactor, report), report},
                         .watchdog = options.watchdog,
                         .hibernate_after = options.hibernate_after,
                         .shutdown_report_after = options.shutdown_report_after,
                         .report = report,
                         .tracking = options.tracking,
                         .warnings = options.warnings};
  if (options.stack_bytes != 0) chosen.stack_bytes = options.stack_bytes;
  runtime home{std::move(chosen)};
  int code = 0;
  try {
    code = run_in(home, {.name = "main"}, std::move(main), site);
  } catch (...) {
    home.report_leaks();
    throw;
  }
  home.report_leaks();
  return code;
}

}  // namespace weft
