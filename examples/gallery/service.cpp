#include "service.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <weft/compute/compute.hpp>
#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/observe/format.hpp>
#include <weft/parallel/parallel_for.hpp>
#include <weft/task/deadline_scope.hpp>
#include <weft/task/detail/task_base.hpp>
#include <weft/task/sleep.hpp>

#include "page/page.hpp"
#include "wire.hpp"

namespace gallery {
namespace {

using weft::http::request;
using weft::http::response;
using weft::http::status;

constexpr std::string_view greeting = "Hello, weft\n";
constexpr std::chrono::milliseconds benchmark_wait{100};
constexpr unsigned default_page_size = 50;

/// What is under an id never changes, so browsers may keep it.
constexpr std::string_view for_ever = "private, max-age=31536000, immutable";

problem shutting_down() { return {503, "shutting_down", "the gallery is being stopped: try again when it is back"}; }

void refuse(response& answer, const problem& why) {
  if (why.status == 401) answer.header("WWW-Authenticate", "Bearer");
  if (why.status == 503 || why.status == 429) answer.header("Retry-After", "5");
  answer.error(static_cast<status>(why.status), why.message, why.code);
}

outcome<photo_id> id_of(const request& asked) {
  const auto id = photo_id::parse(asked.parameter("id"));
  if (!id) {
    return std::unexpected(
        problem{404, "no_such_photo", "this is no photo's id: GET /photos lists those that there are"});
  }
  return *id;
}

template <class Integer>
std::optional<Integer> parse_integer(std::string_view text) {
  Integer value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

outcome<unsigned> page_size_of(const request& asked) {
  const auto text = asked.query_parameter("limit");
  if (!text) return default_page_size;
  const auto size = parse_integer<unsigned>(*text);
  if (size && *size >= 1 && *size <= catalogue_reader::max_page_size) return *size;
  return std::unexpected(
      problem{400, "bad_limit", fmt::format("limit must be a number from 1 to {}", catalogue_reader::max_page_size)});
}

outcome<part> thumbnail_of(const request& asked) {
  const auto size = asked.query_parameter("size").value_or("256");
  if (size == "256") return part::small_thumbnail;
  if (size == "1024") return part::large_thumbnail;
  return std::unexpected(problem{400, "bad_size", "size must be 256 or 1024"});
}

std::optional<std::string_view> host_of(const request& asked) {
  if (asked.host().empty() && !asked.header("Host")) return std::nullopt;
  return asked.host();
}

sender sender_of(const request& asked) {
  using weft::http::method;
  return {.changes_something = asked.method() != method::get && asked.method() != method::head,
          .peer = asked.peer(),
          .host = host_of(asked),
          .origin = asked.header("Origin"),
          .fetch_site = asked.header("Sec-Fetch-Site"),
          .authorization = asked.header("Authorization")};
}

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Files that others uploaded: a browser must show them as what they are, and to this origin alone.
response& guarded(response& answer) {
  return answer.header("X-Content-Type-Options", "nosniff").header("Cross-Origin-Resource-Policy", "same-origin");
}

}  // namespace

service::service(library& photos, moderator& judging, weft::observe::recorder& figures, settings wanted)
    : photos_(photos),
      moderator_(judging),
      figures_(figures),
      policy_(std::move(wanted.access)),
      uploads_(wanted.uploads_at_once),
      upload_patience_(wanted.upload_patience),
      decoding_(wanted.decoding_bytes),
      holding_(wanted.holding_bytes) {}

weft::http::router service::routes() {
  weft::http::router routes;
  routes.guard([this](request& asked, response& answer) {
    if (const auto why = policy_.check(sender_of(asked), std::chrono::steady_clock::now())) refuse(answer, *why);
  });
  routes.get("/", [](request&, response& answer) {
    answer.header("Content-Security-Policy", page_content_security_policy());
    answer.header("Cache-Control", "no-cache").header("ETag", page_etag());
    answer.header("X-Content-Type-Options", "nosniff").header("Referrer-Policy", "no-referrer");
    answer.send("text/html; charset=utf-8", page_html());
  });
  routes.add(weft::http::method::post, "/photos", [this](auto& asked, auto& answer) { upload(asked, answer); },
             {.max_body_bytes = max_photo_bytes});
  routes.get("/photos", [this](auto& asked, auto& answer) { list(asked, answer); });
  routes.get("/photos/{id}", [this](auto& asked, auto& answer) { show(asked, answer); });
  routes.get("/photos/{id}/thumbnail", [this](auto& asked, auto& answer) { thumbnail(asked, answer); });
  routes.get("/photos/{id}/original", [this](auto& asked, auto& answer) { original(asked, answer); });
  routes.delete_("/photos/{id}", [this](auto& asked, auto& answer) { remove(asked, answer); });
  routes.get("/health", [this](auto&, auto& answer) { health(answer); });
  routes.get("/hello", [](auto&, auto& answer) { answer.send("text/plain", greeting); });
  routes.get("/wait", [](auto&, auto& answer) {
    if (!weft::sleep(benchmark_wait)) return refuse(answer, shutting_down());
    answer.send("text/plain", greeting);
  });
  routes.get("/stats", [this](auto&, auto& answer) {
    answer.header("Cache-Control", "no-store").json(weft::observe::to_json(figures_.snapshot()));
  });
  routes.get("/metrics", [this](auto&, auto& answer) {
    answer.send(weft::observe::prometheus_content_type, weft::observe::to_prometheus(figures_.snapshot()));
  });
  return routes;
}

void service::upload(request& asked, response& answer) {
  const auto held = take_turn(asked.body().length().value_or(max_photo_bytes));
  if (!held) return refuse(answer, held.error());
  const auto body = asked.body().read_all(max_photo_bytes);
  if (!body) return;  // too large, too slow, gone: the server answers that
  const auto added = add(*body);
  if (!added) return refuse(answer, added.error());
  answer.status(added->is_new ? status::created : status::ok);
  answer.header("Location", fmt::format("/photos/{}", added->photo.id.text())).json(to_json(added->photo));
}

outcome<service::turn> service::take_turn(std::uint64_t body_bytes) {
  const weft::deadline_scope until(upload_patience_);
  const auto refused = [](std::error_code why) {
    if (why != weft::errc::timed_out) return shutting_down();
    return problem{503, "too_busy", "too many photos are being sent at the same time: try again in a while"};
  };
  if (const auto taken = uploads_.acquire(); !taken) return std::unexpected(refused(taken.error()));
  permit entered(uploads_);
  // While it comes, a body may be copied to where there is room for twice as much; later it is there twice, once
  // sealed.
  auto memory = holding_.take(3 * std::min<std::uint64_t>(body_bytes, max_photo_bytes));
  if (!memory) return std::unexpected(refused(memory.error()));
  return turn{std::move(entered), std::move(*memory)};
}

outcome<added_photo> service::add(std::string_view body) {
  const auto photo = as_bytes(body);
  const auto [header, digest] = weft::compute([&] {
    auto inspected = inspect(photo);
    return std::pair(std::move(inspected), inspected ? sha256(photo) : std::string());
  });
  if (!header) return std::unexpected(header.error());

  auto there = photos_.find_by_contents(digest);
  if (!there) return std::unexpected(std::move(there.error()));
  if (*there) return added_photo{std::move(**there), false};

  auto rendered = decode(photo, *header);
  if (!rendered) return std::unexpected(std::move(rendered.error()));
  photo_record record{.id = photo_id::random(),
                      .sha256 = digest,
                      .type = header->type,
                      .size = rendered->upright,
                      .bytes = photo.size(),
                      .created_us = microseconds_since_1970()};
  auto verdict = moderator_.judge(record);
  if (!verdict) return std::unexpected(std::move(verdict.error()));
  record.verdict = std::move(*verdict);
  return photos_.add(record, photo, *rendered);
}

outcome<rendition> service::decode(std::span<const std::byte> photo, const image_header& header) {
  if (header.working_bytes > decoding_.total_bytes()) {
    return std::unexpected(problem{
        413, "too_much_memory",
        fmt::format("to decode the photo takes {} MiB, and the server has {} MiB for that: send a smaller one, or one "
                    "that is neither progressive nor interlaced",
                    header.working_bytes >> 20, decoding_.total_bytes() >> 20)});
  }
  const auto memory = decoding_.take(header.working_bytes);
  if (!memory) return std::unexpected(shutting_down());
  const auto on_all_cores = [](std::size_t count, const std::function<void(std::size_t)>& body) {
    weft::parallel_for(0, count, body);
  };
  return weft::compute([&] { return render(photo, on_all_cores); });
}

void service::list(request& asked, response& answer) {
  const auto size = page_size_of(asked);
  if (!size) return refuse(answer, size.error());
  const auto page = photos_.page(asked.query_parameter("cursor").value_or(""), *size);
  if (!page) return refuse(answer, page.error());
  answer.header("Cache-Control", "no-store").json(to_json(*page));
}

void service::show(request& asked, response& answer) {
  const auto id = id_of(asked);
  if (!id) return refuse(answer, id.error());
  const auto photo = photos_.find(*id);
  if (!photo) return refuse(answer, photo.error());
  answer.header("Cache-Control", "no-cache").json(to_json(*photo));
}

void service::thumbnail(request& asked, response& answer) {
  const auto id = id_of(asked);
  if (!id) return refuse(answer, id.error());
  const auto which = thumbnail_of(asked);
  if (!which) return refuse(answer, which.error());
  const auto photo = photos_.read(*id, *which);
  if (!photo) return refuse(answer, photo.error());
  guarded(answer).header("Cache-Control", for_ever).send("image/jpeg", photo->contents);
}

void service::original(request& asked, response& answer) {
  const auto id = id_of(asked);
  if (!id) return refuse(answer, id.error());
  const auto photo = photos_.read(*id, part::original);
  if (!photo) return refuse(answer, photo.error());
  guarded(answer).header("Cache-Control", for_ever).send(media_type(photo->photo.type), photo->contents);
}

void service::remove(request& asked, response& answer) {
  const auto id = id_of(asked);
  if (!id) return refuse(answer, id.error());
  const auto removed = photos_.remove(*id);
  if (!removed) return refuse(answer, removed.error());
  answer.status(status::no_content);
}

void service::health(response& answer) {
  const auto well = photos_.check_health();
  if (!well) return refuse(answer, {503, "unhealthy", well.error().message});
  answer.header("Cache-Control", "no-store").json(R"({"status":"ok"})");
}

}  // namespace gallery
