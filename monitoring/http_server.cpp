#include "monitoring/http_server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/log.h"

namespace elbow {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kEndOfRequest[] = "\r\n\r\n";
constexpr char kPageType[] = "text/plain; version=0.0.4; charset=utf-8";  // Prometheus' format

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

std::string answer(std::string_view status, std::string_view type, std::string_view body,
                   bool with_body) {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
      status, type, body.size(), with_body ? body : "");
}

std::string refusal(const char* status) {
  return answer(status, "text/plain", fmt::format("{}\n", status), true);
}

}  // namespace

HttpServer::HttpServer(Descriptor listening, std::string path, std::function<std::string()> page,
                       HttpLimits limits)
    : listening_(std::move(listening)),
      ending_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      path_(std::move(path)),
      page_(std::move(page)),
      limits_(limits) {
  if (!ending_.valid()) throw Error(fmt::format("no eventfd: {}", errno_text(errno)));
  thread_ = std::thread([this] {
    try {
      serve();
    } catch (const std::exception& error) {
      log::warning("metrics are served no longer: {}", error.what());
    }
  });
}

HttpServer::~HttpServer() {
  const std::uint64_t one = 1;
  // It cannot fail: the counter is far from its end.
  static_cast<void>(!::write(ending_.get(), &one, sizeof one));
  thread_.join();
}

void HttpServer::serve() {
  while (true) {
    std::vector<pollfd> watched = {{ending_.get(), POLLIN, 0}, {listening_.get(), POLLIN, 0}};
    for (const Connection& connection : connections_) {
      const short wanted = connection.answer.empty() ? POLLIN : POLLOUT;
      watched.push_back({connection.socket.get(), wanted, 0});
    }
    if (::poll(watched.data(), watched.size(), milliseconds_left()) < 0) {
      if (errno == EINTR) continue;
      throw Error(errno_text(errno));
    }
    if (watched[0].revents != 0) return;
    std::size_t i = 2;
    connections_.remove_if([&](Connection& connection) {
      const bool ready = watched[i++].revents != 0;
      return (ready && !go_on(connection)) || Clock::now() >= connection.end;
    });
    if (watched[1].revents != 0) accept_all();
  }
}

int HttpServer::milliseconds_left() const {
  if (connections_.empty()) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(connections_.front().end - Clock::now());
  return std::max(0, static_cast<int>(left.count()));
}

void HttpServer::accept_all() {
  // Not without end, where others connect as fast.
  for (std::size_t i = 0; i < limits_.connections; ++i) {
    Descriptor socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) {
      if (would_block()) return;
      // No free descriptor: the oldest connection gives its own; else this must not spin.
      if (connections_.empty()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      } else {
        connections_.pop_front();
      }
      return;
    }
    if (connections_.size() >= limits_.connections) connections_.pop_front();
    connections_.push_back({std::move(socket), Clock::now() + limits_.time, "", ""});
  }
}

bool HttpServer::go_on(Connection& connection) const {
  if (connection.answer.empty() && !read(connection)) return false;
  return connection.answer.empty() || write(connection);
}

// One piece at a time, so that no reader keeps the thread from the others.
bool HttpServer::read(Connection& connection) const {
  std::array<char, 4096> piece;
  const ssize_t got = ::recv(connection.socket.get(), piece.data(), piece.size(), 0);
  if (got < 0) return would_block();
  if (got == 0) return false;
  connection.request.append(piece.data(), static_cast<std::size_t>(got));
  if (connection.request.find(kEndOfRequest) != std::string::npos) {
    connection.answer = answer_to(connection.request);
  } else if (connection.request.size() > limits_.request_bytes) {
    connection.answer = refusal("431 Request Header Fields Too Large");
  }
  return true;
}

// Without an answer left, the connection has come to its end.
bool HttpServer::write(Connection& connection) {
  const ssize_t sent = ::send(connection.socket.get(), connection.answer.data(),
                              connection.answer.size(), MSG_NOSIGNAL);
  if (sent < 0) return would_block();
  connection.answer.erase(0, static_cast<std::size_t>(sent));
  return !connection.answer.empty();
}

std::string HttpServer::answer_to(const std::string& request) const {
  const std::string_view line = std::string_view(request).substr(0, request.find("\r\n"));
  const auto method_end = line.find(' ');
  const auto target_end = line.rfind(' ');
  if (method_end == target_end || !line.substr(target_end + 1).starts_with("HTTP/1.")) {
    return refusal("400 Bad Request");
  }
  const std::string_view method = line.substr(0, method_end);
  std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
  target = target.substr(0, target.find('?'));
  if (method != "GET" && method != "HEAD") return refusal("405 Method Not Allowed");
  if (target != path_) return refusal("404 Not Found");
  try {
    return answer("200 OK", kPageType, page_(), method == "GET");
  } catch (const std::exception& error) {
    log::warning("a request for metrics could not be answered: {}", error.what());
    return refusal("500 Internal Server Error");
  }
}

}  // namespace elbow
