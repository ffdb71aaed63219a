#include "weft/http/h1/date.hpp"

#include <algorithm>

namespace weft::http::detail {
namespace {

void write_two_digits(char* into, unsigned value) noexcept {
  into[0] = static_cast<char>('0' + value / 10 % 10);
  into[1] = static_cast<char>('0' + value % 10);
}

}  // namespace

void date_cache::format(std::chrono::sys_seconds second) noexcept {
  constexpr std::string_view pattern = "Sun, 00 Jan 0000 00:00:00 GMT";
  constexpr std::string_view days = "SunMonTueWedThuFriSat";
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  auto day = std::chrono::floor<std::chrono::days>(second);
  std::chrono::year_month_day date{day};
  std::chrono::hh_mm_ss time{second - day};
  auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  std::ranges::copy(pattern, text_.begin());
  std::ranges::copy(days.substr(3 * std::chrono::weekday{day}.c_encoding(), 3), text_.begin());
  write_two_digits(&text_[5], static_cast<unsigned>(date.day()));
  std::ranges::copy(months.substr(3 * (static_cast<unsigned>(date.month()) - 1), 3), &text_[8]);
  write_two_digits(&text_[12], year / 100);
  write_two_digits(&text_[14], year);
  write_two_digits(&text_[17], static_cast<unsigned>(time.hours().count()));
  write_two_digits(&text_[20], static_cast<unsigned>(time.minutes().count()));
  write_two_digits(&text_[23], static_cast<unsigned>(time.seconds().count()));
  second_ = second;
}

}  // namespace weft::http::detail
