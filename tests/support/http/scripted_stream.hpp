#pragma once

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/base/clock.hpp>
#include <weft/io/byte_stream.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft::http::test {

/// A peer that follows a script: it sends pieces, lets (virtual) time pass, and at last hangs up. Deadlines of the
/// caller hold as they do on a socket. Without a virtual clock a wait is no wait.
class scripted_stream final : public byte_stream {
 public:
  scripted_stream() = default;
  explicit scripted_stream(std::string_view bytes) { sends(bytes); }

  scripted_stream& sends(std::string_view bytes) {
    script_.push_back({.bytes = std::string{bytes}});
    return *this;
  }
  /// The same once something was sent since the last answer.
  scripted_stream& answers(std::string_view bytes) {
    script_.push_back({.bytes = std::string{bytes}, .after_a_send = true});
    return *this;
  }
  /// The same once what was sent ends with `ending`.
  scripted_stream& answers_when(std::string_view ending, std::string_view bytes) {
    script_.push_back({.bytes = std::string{bytes}, .after_a_send = true, .ending = std::string{ending}});
    return *this;
  }
  scripted_stream& waits(duration time) {
    script_.push_back({.wait = time});
    return *this;
  }
  /// For ever, so that only a deadline ends a recv.
  scripted_stream& falls_silent() { return waits(std::chrono::hours{24 * 365}); }
  /// What comes instead of the end of the stream.
  scripted_stream& fails_at_the_end(std::error_code why) {
    end_ = why;
    return *this;
  }
  /// From now on sends fail.
  scripted_stream& hangs_up() {
    hung_up_ = true;
    return *this;
  }

  [[nodiscard]] result<std::size_t> recv(std::span<std::byte> into) override {
    ++recvs;
    if (closed) return failure(errc::closed);
    deadline_scope probe{no_deadline};
    while (!script_.empty()) {
      auto& next = script_.front();
      if (next.after_a_send) {
        if (sends_seen.size() == sends_answered_ || !sent.ends_with(next.ending)) return failure(errc::timed_out);
        sends_answered_ = sends_seen.size();
        next.after_a_send = false;
      }
      if (next.wait > duration::zero()) {
        if (!pass(std::exchange(next.wait, duration::zero()), probe.deadline())) return failure(errc::timed_out);
      }
      auto bytes = std::min(into.size(), next.bytes.size());
      std::memcpy(into.data(), next.bytes.data(), bytes);
      next.bytes.erase(0, bytes);
      if (next.bytes.empty()) script_.pop_front();
      if (bytes > 0) return bytes;
    }
    return std::unexpected{end_};
  }

  [[nodiscard]] result<std::size_t> send(std::span<const std::byte> from) override {
    if (closed || hung_up_) return failure_from_errno(EPIPE);
    sends_seen.emplace_back(reinterpret_cast<const char*>(from.data()), from.size());
    sent += sends_seen.back();
    return from.size();
  }

  [[nodiscard]] result<void> send_all(std::span<const std::byte> from) override { return send_all({&from, 1}); }
  [[nodiscard]] result<void> send_all(std::span<const std::span<const std::byte>> pieces) override {
    std::vector<std::byte> all;
    for (auto piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
    auto done = send(all);
    return done ? result<void>{} : std::unexpected{done.error()};
  }

  [[nodiscard]] result<void> shutdown_send() override {
    send_ended = true;
    return {};
  }
  void close() noexcept override { closed = true; }

  std::string sent;                     // by the other side: what this peer got
  std::vector<std::string> sends_seen;  // the same, call by call
  int recvs = 0;
  bool send_ended = false;
  bool closed = false;

 private:
  struct step {
    std::string bytes{};
    duration wait{};
    bool after_a_send = false;
    std::string ending{};
  };

  static bool pass(duration time, time_point deadline) {
    auto* clock = virtual_clock::active();
    if (!clock) return deadline == no_deadline || now() + time < deadline;
    bool in_time = now() + time < deadline;
    clock->advance_to(std::min(now() + time, deadline));
    return in_time;
  }

  std::deque<step> script_;
  std::size_t sends_answered_ = 0;
  std::error_code end_ = errc::end_of_stream;
  bool hung_up_ = false;
};

}  // namespace weft::http::test
