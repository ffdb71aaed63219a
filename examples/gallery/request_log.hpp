#pragma once

#include <string>
#include <vector>

#include <weft/http/request_observer.hpp>
#include <weft/http/router.hpp>
#include <weft/observe/recorder.hpp>

#include "access_log.hpp"

namespace gallery {

/// Tells the live figures and the access log of every request.
class request_log final : public weft::http::request_observer {
 public:
  /// `log` may be null. Neither is owned.
  request_log(weft::observe::recorder& figures, access_log* log) noexcept : figures_(figures), log_(log) {}

  /// Before the first request: the routes to tell apart.
  void watch(const weft::http::router& routes);

  void on_start(const weft::http::observed_request& observed) noexcept override;
  void on_end(const weft::http::observed_request& observed) noexcept override;

 private:
  [[nodiscard]] static std::string line_of(const weft::http::observed_request& observed);
  void count(const weft::http::observed_request& observed) noexcept;

  weft::observe::recorder& figures_;
  access_log* log_;
  std::vector<weft::observe::route_statistics*> routes_;  // by a route's index
};

}  // namespace gallery
