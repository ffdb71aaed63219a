#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <weft/http/router.hpp>
#include <weft/observe/recorder.hpp>
#include <weft/sync/semaphore.hpp>

#include "access_policy.hpp"
#include "library.hpp"
#include "memory_budget.hpp"
#include "moderator.hpp"

namespace gallery {

/// What each route does, whichever way its requests run: on one thread, a thread each, a pool, virtual threads. Where a
/// handler waits, weft decides what that means.
///
///     GET    /                              the page
///     POST   /photos                        adds the photo that is the body: 201, or 200 if it is there already
///     GET    /photos?cursor=…&limit=…       newest first
///     GET    /photos/{id}
///     GET    /photos/{id}/thumbnail?size=…  256 or 1024, JPEG
///     GET    /photos/{id}/original          byte for byte what was sent
///     DELETE /photos/{id}
///     GET    /health                        200 while the database answers and photos can be kept
///     GET    /hello                         12 bytes: for benchmarks
///     GET    /wait                          the same after 100 ms of waiting: for benchmarks
///     GET    /stats, /metrics               live figures, as JSON and for Prometheus
///
/// Thread: any, for the handlers, at the same time.
/// Lifetime: outlives the server.
class service {
 public:
  struct settings {
    std::size_t uploads_at_once = 64;                   ///< each holds its photo in memory; further ones wait,
    std::chrono::milliseconds upload_patience{10'000};  ///< this long, then they are asked to come again
    std::size_t decoding_bytes = std::size_t{1} << 30;  ///< for all photos that are decoded
    std::size_t holding_bytes = std::size_t{1} << 30;   ///< for all photos that are received, sealed and stored
    access_policy::settings access = {};
  };
  service(library& photos, moderator& judging, weft::observe::recorder& figures, settings wanted);

  [[nodiscard]] weft::http::router routes();

 private:
  /// One of the uploads at once.
  class permit {
   public:
    explicit permit(weft::semaphore& taken) noexcept : taken_(&taken) {}
    permit(permit&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
    permit& operator=(permit&&) = delete;
    ~permit() {
      if (taken_) taken_->release();
    }

   private:
    weft::semaphore* taken_;
  };
  /// What an upload holds while it lasts.
  struct turn {
    permit entered;
    memory_budget::share memory;
  };

  void upload(weft::http::request& request, weft::http::response& response);
  [[nodiscard]] outcome<turn> take_turn(std::uint64_t body_bytes);
  [[nodiscard]] outcome<added_photo> add(std::string_view body);
  [[nodiscard]] outcome<rendition> decode(std::span<const std::byte> photo, const image_header& header);
  void list(weft::http::request& request, weft::http::response& response);
  void show(weft::http::request& request, weft::http::response& response);
  void thumbnail(weft::http::request& request, weft::http::response& response);
  void original(weft::http::request& request, weft::http::response& response);
  void remove(weft::http::request& request, weft::http::response& response);
  void health(weft::http::response& response);

  library& photos_;
  moderator& moderator_;
  weft::observe::recorder& figures_;
  access_policy policy_;
  weft::semaphore uploads_;
  std::chrono::milliseconds upload_patience_;
  memory_budget decoding_;
  memory_budget holding_;
};

}  // namespace gallery
