// The smallest web server: hello_server [address:port]
//
//     curl localhost:8080/hello/you

#include <cstdio>
#include <string>

#include <weft/weft.hpp>

int main(int argc, char** argv) {
  return weft::run([&] {
    weft::http::router routes;
    routes.get("/hello", [](auto&, auto& response) { response.text("Hello world!"); });
    routes.get("/hello/{name}", [](auto& request, auto& response) {
      response.text("Hello " + std::string{request.parameter("name")} + "!\n");
    });

    auto listener = weft::tcp_listener::bind(argc > 1 ? argv[1] : "127.0.0.1:8080");
    if (!listener) return std::fprintf(stderr, "hello_server: %s\n", listener.error().message().c_str()), 1;
    std::printf("http://%s/hello\n", listener->local().to_string().c_str());
    std::fflush(stdout);

    weft::http::server server{std::move(routes)};  // each connection on a virtual thread of its own
    return server.serve(*listener) ? 0 : 1;
  });
}
