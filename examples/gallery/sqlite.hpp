#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace gallery::sqlite {

/// What SQLite says went wrong.
class error : public std::runtime_error {
 public:
  /// `system_code` is the errno behind it, where there is one.
  error(int code, const std::string& message, int system_code = 0)
      : std::runtime_error(message), code_(code), system_code_(system_code) {}

  [[nodiscard]] bool disk_is_full() const noexcept;
  [[nodiscard]] bool is_damage() const noexcept;     ///< of the database file
  [[nodiscard]] bool is_no_memory() const noexcept;  ///< for the library

 private:
  int code_;
  int system_code_;
};

enum class access { read_only, read_write };

/// One connection.
/// Thread: one at a time. Every member throws `error`.
class connection {
 public:
  connection(const std::filesystem::path& file, access mode);

  /// Runs statements that return nothing.
  void execute(const char* statements);

  /// How many rows the last statement changed.
  [[nodiscard]] int changes() const noexcept;
  [[nodiscard]] bool in_transaction() const noexcept;

 private:
  friend class statement;
  struct close {
    void operator()(sqlite3* opened) const noexcept;
  };
  std::unique_ptr<sqlite3, close> opened_;
};

/// A prepared statement, to be run any number of times. Parameters and columns count from 0.
class statement {
 public:
  statement(connection& owner, std::string_view text);

  /// Text must live until the next reset().
  /// Thread: as the connection, errors too.
  statement& bind(int parameter, std::int64_t value);
  statement& bind(int parameter, std::string_view text);

  /// True while there is a row.
  [[nodiscard]] bool step();
  [[nodiscard]] std::int64_t integer(int column) const noexcept;
  [[nodiscard]] std::string text(int column) const;

  /// Ready to be bound and run again. Until then a query keeps seeing the database as it was.
  void reset() noexcept;

  /// Runs a statement that returns no row.
  void run();

 private:
  struct finalise {
    void operator()(sqlite3_stmt* prepared) const noexcept;
  };
  std::unique_ptr<sqlite3_stmt, finalise> prepared_;
};

/// Resets a statement at the end of a block, however that is left.
class resetting {
 public:
  explicit resetting(statement& running) noexcept : running_(running) {}
  resetting(const resetting&) = delete;
  resetting& operator=(const resetting&) = delete;
  ~resetting() { running_.reset(); }

 private:
  statement& running_;
};

}  // namespace gallery::sqlite
