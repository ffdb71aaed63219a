#include "sqlite.hpp"

#include <cerrno>

#include <sqlite3.h>

namespace gallery::sqlite {
namespace {

/// How long a connection waits for another one's lock. Only a checkpoint or a start-up ever holds one for long.
constexpr int busy_timeout_ms = 5'000;

/// The errno of the last failure on the database's file or its log. sqlite3_system_errno() does not know it when it is
/// a commit that fails.
int last_errno(sqlite3* opened) {
  int code = 0;
  sqlite3_file_control(opened, "main", SQLITE_FCNTL_LAST_ERRNO, &code);
  sqlite3_file* log = nullptr;
  sqlite3_file_control(opened, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  if (code == 0 && log && log->pMethods) log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &code);
  return code;
}

[[noreturn]] void fail(int code, sqlite3* opened) {
  const std::string message = sqlite3_errmsg(opened);
  throw error(code, message, last_errno(opened));
}

void expect_success(int code, sqlite3* opened) {
  if (code == SQLITE_OK) return;
  if (!opened) throw error(code, sqlite3_errstr(code));
  fail(code, opened);
}

}  // namespace

bool error::disk_is_full() const noexcept {
  // A quota and a limit of a file's size are input/output errors to SQLite, and so is no room for its index of the log.
  return (code_ & 0xff) == SQLITE_FULL || code_ == SQLITE_IOERR_SHMSIZE ||
         (code_ == SQLITE_IOERR_WRITE && (system_code_ == EDQUOT || system_code_ == EFBIG));
}

bool error::is_damage() const noexcept { return (code_ & 0xff) == SQLITE_CORRUPT || (code_ & 0xff) == SQLITE_NOTADB; }

bool error::is_no_memory() const noexcept { return (code_ & 0xff) == SQLITE_NOMEM || code_ == SQLITE_IOERR_NOMEM; }

connection::connection(const std::filesystem::path& file, access mode) {
  // Readers open for writing too: only so may they be the first to recover the log. They are held to reading below.
  constexpr int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  sqlite3* opened = nullptr;
  const int code =
      sqlite3_open_v2(file.c_str(), &opened, mode == access::read_write ? flags | SQLITE_OPEN_CREATE : flags, nullptr);
  opened_.reset(opened);
  expect_success(code, opened);
  sqlite3_busy_timeout(opened, busy_timeout_ms);
  if (mode == access::read_only) execute("PRAGMA query_only = ON");
}

void connection::execute(const char* statements) {
  expect_success(sqlite3_exec(opened_.get(), statements, nullptr, nullptr, nullptr), opened_.get());
}

int connection::changes() const noexcept { return sqlite3_changes(opened_.get()); }

bool connection::in_transaction() const noexcept { return sqlite3_get_autocommit(opened_.get()) == 0; }

void connection::close::operator()(sqlite3* opened) const noexcept { sqlite3_close_v2(opened); }

statement::statement(connection& owner, std::string_view text) {
  sqlite3_stmt* prepared = nullptr;
  expect_success(sqlite3_prepare_v3(owner.opened_.get(), text.data(), static_cast<int>(text.size()),
                                    SQLITE_PREPARE_PERSISTENT, &prepared, nullptr),
                 owner.opened_.get());
  prepared_.reset(prepared);
}

statement& statement::bind(int parameter, std::int64_t value) {
  expect_success(sqlite3_bind_int64(prepared_.get(), parameter + 1, value), sqlite3_db_handle(prepared_.get()));
  return *this;
}

statement& statement::bind(int parameter, std::string_view text) {
  expect_success(
      sqlite3_bind_text(prepared_.get(), parameter + 1, text.data(), static_cast<int>(text.size()), SQLITE_STATIC),
      sqlite3_db_handle(prepared_.get()));
  return *this;
}

bool statement::step() {
  const int code = sqlite3_step(prepared_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  fail(code, sqlite3_db_handle(prepared_.get()));
}

std::int64_t statement::integer(int column) const noexcept { return sqlite3_column_int64(prepared_.get(), column); }

std::string statement::text(int column) const {
  const auto* first = reinterpret_cast<const char*>(sqlite3_column_text(prepared_.get(), column));
  return first ? std::string(first, static_cast<std::size_t>(sqlite3_column_bytes(prepared_.get(), column))) : "";
}

void statement::reset() noexcept { sqlite3_reset(prepared_.get()); }

void statement::run() {
  const resetting at_end(*this);
  while (step()) {}
}

void statement::finalise::operator()(sqlite3_stmt* prepared) const noexcept { sqlite3_finalize(prepared); }

}  // namespace gallery::sqlite
