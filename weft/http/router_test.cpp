#include <gtest/gtest.h>

#include <string>

#include <weft/http/router.hpp>

namespace weft::http {
namespace {

const handler nothing = [](request&, response&) {};

/// "pattern|first parameter|second ..." of what matched.
std::string matched(const router& routes, method asked, std::string_view path) {
  auto match = routes.match(asked, path);
  if (!match.route) return match.allowed.empty() ? "none" : "allowed: " + std::string{match.allowed};
  std::string text = match.route->pattern;
  for (std::size_t i = 0; i < match.route->parameter_names.size(); ++i) {
    text += "|" + match.route->parameter_names[i] + "=" + std::string{match.parameters[i]};
  }
  return text;
}

TEST(router, prefers_a_literal_segment_and_falls_back_to_a_parameter) {
  router routes;
  routes.get("/photos", nothing).get("/photos/latest", nothing).get("/photos/{id}", nothing);
  routes.get("/photos/{id}/thumbnail", nothing).get("/photos/latest/original", nothing);
  EXPECT_EQ(matched(routes, method::get, "/photos"), "/photos");
  EXPECT_EQ(matched(routes, method::get, "/photos/latest"), "/photos/latest");
  EXPECT_EQ(matched(routes, method::get, "/photos/7"), "/photos/{id}|id=7");
  EXPECT_EQ(matched(routes, method::get, "/photos/7/thumbnail"), "/photos/{id}/thumbnail|id=7");
  EXPECT_EQ(matched(routes, method::get, "/photos/latest/thumbnail"), "/photos/{id}/thumbnail|id=latest");
}

TEST(router, a_path_is_matched_whole_and_a_parameter_is_never_empty) {
  router routes;
  routes.get("/", nothing).get("/photos", nothing).get("/photos/{id}", nothing);
  EXPECT_EQ(matched(routes, method::get, "/"), "/");
  for (auto path :
       {"/photos/", "/photo", "/photosx", "/photos/7/", "/photos/7/x", "//photos", "//", "photos", "", "*"}) {
    EXPECT_EQ(matched(routes, method::get, path), "none") << path;
  }
}

TEST(router, another_method_of_a_known_path_is_told_which_are_allowed) {
  router routes;
  routes.get("/photos", nothing).post("/photos", nothing).delete_("/photos/{id}", nothing);
  EXPECT_EQ(matched(routes, method::delete_, "/photos"), "allowed: GET, HEAD, POST");
  EXPECT_EQ(matched(routes, method::get, "/photos/7"), "allowed: DELETE");
  EXPECT_EQ(matched(routes, method::unknown, "/photos"), "allowed: GET, HEAD, POST");
}

TEST(router, head_is_answered_by_get_unless_it_has_a_handler) {
  router routes;
  routes.get("/a", nothing).get("/b", nothing).add(method::head, "/b", nothing);
  EXPECT_EQ(routes.match(method::head, "/a").route->method, method::get);
  EXPECT_EQ(routes.match(method::head, "/b").route->method, method::head);
}

TEST(router, a_route_knows_its_place_among_all_routes) {
  router routes;
  routes.get("/a", nothing).get("/b/{x}/{y}", nothing);
  EXPECT_EQ(routes.match(method::get, "/a").route->index, 0u);
  EXPECT_EQ(routes.match(method::get, "/b/1/2").route->index, 1u);
  EXPECT_EQ(routes.routes()[1]->pattern, "/b/{x}/{y}");
  EXPECT_EQ(matched(routes, method::get, "/b/1/2"), "/b/{x}/{y}|x=1|y=2");
}

TEST(router_death, a_pattern_that_is_there_already_or_does_not_begin_with_a_slash_is_misuse) {
  router routes;
  routes.get("/a/{x}", nothing);
  EXPECT_DEATH(routes.get("/a/{y}", nothing), "add each once");
  EXPECT_DEATH(routes.get("a", nothing), "begins with '/'");
}

}  // namespace
}  // namespace weft::http
