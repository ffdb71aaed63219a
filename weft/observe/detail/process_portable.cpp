#include <ctime>
#include <thread>

#include "weft/observe/detail/process.hpp"

namespace weft::observe {

process_metrics read_process_metrics() {
  // POSIX: clock() is the CPU time of all threads in millionths of a second.
  return {.cpu_time = std::chrono::microseconds{std::clock()},
          .cores = std::thread::hardware_concurrency(),
          .threads = {},
          .resident_bytes = {}};
}

}  // namespace weft::observe
