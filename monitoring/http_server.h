// One page over HTTP/1.1, to any number of readers of any speed.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <thread>

#include "base/descriptor.h"

namespace elbow {

// What a connection may take. When there are more of them, the oldest are closed: whoever connects
// is served at once, however many others are slow.
struct HttpLimits {
  std::size_t connections = 64;
  std::size_t request_bytes = 16384;
  std::chrono::milliseconds time{10000};  // from its beginning to its end
};

// Answers GET and HEAD of `path` with what `page` returns then, and closes the connection after
// each answer. One thread of its own serves all connections, never waiting for one of them; it does
// not call `page` for requests that are not whole. Writing to a reader that has gone raises no
// SIGPIPE.
class HttpServer {
 public:
  // `listening` is a bound socket that listens and does not block.
  HttpServer(Descriptor listening, std::string path, std::function<std::string()> page,
             HttpLimits limits = {});
  ~HttpServer();  // closes all connections; takes no longer than `page`
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  struct Connection {
    Descriptor socket;
    std::chrono::steady_clock::time_point end;
    std::string request;
    std::string answer;  // what is left of it; empty while the request is being read
  };

  void serve();
  // How long until the first connection has had its time; -1 without any.
  int milliseconds_left() const;
  void accept_all();
  // False when it has come to its end.
  bool go_on(Connection& connection) const;
  bool read(Connection& connection) const;
  static bool write(Connection& connection);
  std::string answer_to(const std::string& request) const;

  Descriptor listening_;
  Descriptor ending_;  // becomes readable when the thread is to end
  std::string path_;
  std::function<std::string()> page_;
  HttpLimits limits_;
  std::list<Connection> connections_;  // the oldest first
  std::thread thread_;
};

}  // namespace elbow
