#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <weft/http/client.hpp>
#include <weft/http/url.hpp>

#include "catalogue.hpp"
#include "problem.hpp"

namespace gallery {

/// The moderation service: somebody else's program, reached over HTTP, that may be slow or gone.
/// Thread: any.
class moderator {
 public:
  struct settings {
    std::string url = {};  ///< "http://127.0.0.1:9080"
    std::chrono::milliseconds patience{5'000};
  };
  /// Fails for a URL that is none.
  [[nodiscard]] static startup<std::unique_ptr<moderator>> create(const settings& wanted);

  /// What it thinks of a photo: its verdict, or 422 if it rejects the photo, or 503 if it does not answer in time or
  /// makes no sense.
  /// Parks.
  [[nodiscard]] outcome<std::string> judge(const photo_record& photo);

  [[nodiscard]] std::string_view url() const noexcept { return url_; }

 private:
  struct raw_answer {
    unsigned status = 0;
    std::string body = {};
  };
  [[nodiscard]] weft::result<raw_answer> ask(std::string_view question);

  moderator(std::string url, weft::http::url where, std::chrono::milliseconds patience);

  std::string url_;
  weft::http::url where_;
  std::chrono::milliseconds patience_;
  weft::http::client client_;
};

}  // namespace gallery
