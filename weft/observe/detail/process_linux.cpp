#include "weft/observe/detail/process.hpp"

#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include <sched.h>
#include <time.h>
#include <unistd.h>

namespace weft::observe {
namespace {

unsigned allowed_cores() {
  cpu_set_t allowed;
  // Fails on a machine of more than 1,024 cores.
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return std::thread::hardware_concurrency();
  return static_cast<unsigned>(CPU_COUNT(&allowed));
}

/// Threads and resident pages, from /proc/self/stat: see proc(5). The name in its second field may hold anything, so
/// counting starts behind the last parenthesis, at field 3.
void read_stat(process_metrics& process) {
  std::ifstream file{"/proc/self/stat"};
  std::string line;
  if (!std::getline(file, line)) return;
  auto name_end = line.rfind(')');
  if (name_end == std::string::npos) return;
  std::istringstream fields{line.substr(name_end + 1)};
  std::string skipped;
  std::uint64_t threads = 0;
  std::uint64_t resident_pages = 0;
  for (int field = 3; field < 20; ++field) fields >> skipped;
  fields >> threads;
  for (int field = 21; field < 24; ++field) fields >> skipped;
  fields >> resident_pages;
  if (!fields) return;
  process.threads = threads;
  process.resident_bytes = resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

process_metrics read_process_metrics() {
  process_metrics process{.cores = allowed_cores(), .threads = {}, .resident_bytes = {}};
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  process.cpu_time = std::chrono::seconds{used.tv_sec} + std::chrono::nanoseconds{used.tv_nsec};
  read_stat(process);
  return process;
}

}  // namespace weft::observe
