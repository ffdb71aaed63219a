#include <gtest/gtest.h>

#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <weft/http/request.hpp>
#include <weft/http/response.hpp>
#include <weft/http/server.hpp>

#include "tests/support/http/raw_client.hpp"
#include "tests/support/io_fixture.hpp"

// The server behind a proxy that sends all of a body before it looks for the answer.
namespace weft::http {
namespace {

using test::raw_client;

/// A socket that listens on the loopback interface and is inherited by the programs that this one starts.
class listening_socket {
 public:
  listening_socket() : descriptor_{::socket(AF_INET, SOCK_STREAM, 0)} {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(descriptor_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(descriptor_, 128), 0);
    EXPECT_EQ(::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  listening_socket(const listening_socket&) = delete;
  listening_socket& operator=(const listening_socket&) = delete;
  ~listening_socket() { ::close(descriptor_); }

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] int port() const noexcept { return port_; }

 private:
  int descriptor_;
  int port_ = 0;
};

/// nginx in front of a server. It takes over a socket that listens already, as it does from its predecessor when it is
/// upgraded, so that no client has to wait for it.
class proxy {
 public:
  explicit proxy(const endpoint& server) {
    std::string name = (std::filesystem::temp_directory_path() / "weft-nginx-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    listening_socket front;
    where_ = endpoint::parse("127.0.0.1:" + std::to_string(front.port())).value();
    write_configuration(server);
    start(front.descriptor());
  }
  proxy(const proxy&) = delete;
  proxy& operator=(const proxy&) = delete;
  ~proxy() {
    ::kill(process_, SIGTERM);
    int status = 0;
    EXPECT_EQ(::waitpid(process_, &status, 0), process_);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "nginx says: " << log();
    std::filesystem::remove_all(folder_);
  }

  [[nodiscard]] const endpoint& where() const noexcept { return where_; }

  /// What it has reported.
  [[nodiscard]] std::string log() const {
    std::ifstream file{folder_ / "log"};
    return {std::istreambuf_iterator<char>{file}, {}};
  }

  static bool is_installed() { return ::access(program, X_OK) == 0; }

 private:
  static constexpr const char* program = "/usr/sbin/nginx";

  void write_configuration(const endpoint& server) {
    auto inside = [&](std::string_view name) { return (folder_ / name).string(); };
    std::ofstream file{folder_ / "conf"};
    if (::geteuid() == 0) file << "user root; ";  // of the workers, which write into the folder
    file << "daemon off; worker_processes 1; pid " << inside("pid") << ";\n"
         << "events {}\nhttp {\n  access_log off; client_max_body_size 0;\n";
    for (std::string_view kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      file << "  " << kind << "_temp_path " << inside(kind) << ";\n";
    }
    file << "  server { listen " << where_.to_string() << "; location / { proxy_pass http://" << server.to_string()
         << "; } }\n}\n";
  }

  void start(int front) {
    auto inherited = "NGINX=" + std::to_string(front) + ";";
    auto configuration = (folder_ / "conf").string();
    auto log = (folder_ / "log").string();
    std::array<const char*, 6> arguments{program, "-e", log.c_str(), "-c", configuration.c_str(), nullptr};
    std::array<const char*, 2> environment{inherited.c_str(), nullptr};
    EXPECT_EQ(::posix_spawn(&process_, program, nullptr, nullptr, const_cast<char* const*>(arguments.data()),
                            const_cast<char* const*>(environment.data())),
              0);
  }

  std::filesystem::path folder_;
  endpoint where_;
  pid_t process_ = 0;
};

class behind_nginx : public weft::testing::io_test {};
WEFT_ON_EVERY_REACTOR(behind_nginx);

TEST_P(behind_nginx, uploads_of_any_size_beyond_the_limit_are_answered_413) {
  if (!proxy::is_installed()) GTEST_SKIP() << "nginx is not installed";
  run([] {
    router routes;
    routes.post("/", [](request& asked, response& answer) {
      if (auto body = asked.body().read_all()) answer.text(*body);
    });
    server tested{std::move(routes)};  // 1 MiB
    auto listener = tcp_listener::bind("127.0.0.1:0").value();
    auto serving = spawn([&] { return tested.serve(listener); });
    {
      proxy front{listener.local()};
      const std::string megabyte(1'000'000, 'x');
      for (int megabytes : {1, 10, 10, 10, 10, 10, 30, 30, 100}) {
        raw_client client{front.where()};
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(megabytes) + "000000\r\n\r\n");
        for (int i = 0; i < megabytes; ++i) client.send(megabyte);
        EXPECT_EQ(client.answer().status, megabytes == 1 ? 200 : 413)
            << megabytes << " MB; nginx says: " << front.log();
      }
    }
    tested.stop();
    EXPECT_TRUE(serving.join());
  });
}

}  // namespace
}  // namespace weft::http
