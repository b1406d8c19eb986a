#include "monitoring/metrics_server.h"

#include <atomic>
#include <csignal>
#include <fstream>
#include <memory>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/process_identity.h"
#include "tests/monitoring/scrape.h"

namespace elbow {
namespace {

using std::chrono::steady_clock;
using test::body;
using test::Connection;
using test::full_snapshot;
using test::http_get;
using test::identity;
using test::lines_of;
using test::scrape;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A number of /proc/self/status: "Threads", or "VmRSS" in KiB.
long own_status(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stol(line.substr(name.size() + 1));
  }
  return -1;
}

TEST(MetricsServer, BindsWhatItIsAsked) {
  const MetricsServer v4("127.0.0.1", 0, identity());
  EXPECT_THAT(v4.address(), testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]+"));
  EXPECT_EQ(v4.target(), v4.address());
  EXPECT_THROW(http_get("127.0.0.2:" + v4.address().substr(10)), std::runtime_error);
  const MetricsServer other("127.0.0.2", 0, identity());
  EXPECT_THAT(other.address(), StartsWith("127.0.0.2:"));
  EXPECT_THAT(scrape(other), HasSubstr("elbow_rank"));
}

TEST(MetricsServer, ServesIpv6WhereTheMachineHasIt) {
  testing::internal::CaptureStderr();
  const MetricsServer server("::1", 0, identity());
  const std::string said = testing::internal::GetCapturedStderr();
  if (server.address().empty()) {
    EXPECT_THAT(said, AllOf(StartsWith("warning: no metrics are served"), HasSubstr("[::1]:0"),
                            testing::AnyOf(HasSubstr("Cannot assign requested address"),
                                           HasSubstr("not supported"))));
  } else {
    EXPECT_EQ(said, "");
    EXPECT_THAT(server.address(), testing::MatchesRegex("\\[::1\\]:[1-9][0-9]+"));
    EXPECT_THAT(scrape(server), HasSubstr("elbow_rank"));
  }
}

TEST(MetricsServer, AllInterfacesAreFoundByTheMachinesName) {
  const MetricsServer server("0.0.0.0", 0, identity());
  const std::string port = server.address().substr(server.address().rfind(':'));
  EXPECT_EQ(server.address(), "0.0.0.0" + port);
  EXPECT_EQ(server.target(), this_process().host + port);
  EXPECT_THAT(body(http_get("127.0.0.1" + port)), HasSubstr("elbow_rank"));
}

TEST(MetricsServer, PortThatIsTakenIsAWarningAndAnotherPort) {
  const MetricsServer first("127.0.0.1", 0, identity());
  const std::string port = first.address().substr(10);
  testing::internal::CaptureStderr();
  const MetricsServer second("127.0.0.1", std::stoi(port), identity());
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(second.address(), "");
  EXPECT_NE(second.address(), first.address());
  EXPECT_THAT(said, AllOf(StartsWith("warning: "), HasSubstr(first.address()),
                          HasSubstr("Address already in use"), HasSubstr(second.address()),
                          HasSubstr("metrics.port")));
  EXPECT_THAT(scrape(second), HasSubstr("elbow_rank"));
  EXPECT_THAT(scrape(first), HasSubstr("elbow_rank"));
}

TEST(MetricsServer, AskedForPortIsUsedWhenFree) {
  std::string address;
  { address = MetricsServer("127.0.0.1", 0, identity()).address(); }
  testing::internal::CaptureStderr();
  const MetricsServer server("127.0.0.1", std::stoi(address.substr(10)), identity());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(server.address(), address);
}

TEST(MetricsServer, WhatCannotBeBoundIsAWarningAndNoServer) {
  struct Case {
    const char* address;
    std::int64_t port;
    const char* reason;
  };
  for (const Case& bad :
       {Case{"192.0.2.1", 0, "Cannot assign requested address"},
        Case{"192.0.2.1", 9400, "Cannot assign requested address"},
        Case{"localhost", 0, "no address"}, Case{"", 0, "no address"},
        Case{"127.0.0.1:80", 0, "no address"}, Case{"[::1]", 0, "no address"},
        Case{"127.0.0.1", -1, "no address"}, Case{"127.0.0.1", 65536, "no address"}}) {
    testing::internal::CaptureStderr();
    MetricsServer server(bad.address, bad.port, identity());
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                AllOf(StartsWith("warning: no metrics are served"), HasSubstr(bad.reason)));
    EXPECT_EQ(server.address(), "");
    EXPECT_EQ(server.target(), "");
    EXPECT_NO_THROW(server.update(full_snapshot()));
  }
}

TEST(MetricsServer, Off) {
  const long before = own_status("Threads");
  MetricsServer server;
  server.update(full_snapshot());
  EXPECT_EQ(server.address(), "");
  EXPECT_EQ(server.target(), "");
  EXPECT_EQ(own_status("Threads"), before);
}

TEST(MetricsServer, NothingElseIsThere) {
  const MetricsServer server("127.0.0.1", 0, identity());
  for (const char* path : {"/", "/etc/passwd", "/metrics/../etc/passwd", "/../../etc/passwd"}) {
    const std::string answer = http_get(server.address(), path);
    EXPECT_THAT(answer, Not(HasSubstr("root:"))) << path;
    EXPECT_THAT(answer, Not(StartsWith("HTTP/1.1 200"))) << path;
  }
}

TEST(MetricsServer, NonsenseIsSurvived) {
  MetricsServer server("127.0.0.1", 0, identity());
  server.update(full_snapshot());
  for (const std::string& nonsense :
       {std::string("\r\n\r\n"), std::string("GET"), std::string(100000, 'x'),
        std::string(5000, '\0'), std::string("GET /metrics HTTP/9.9\r\n\r\n"),
        "GET /metrics HTTP/1.1\r\nX: " + std::string(50000, 'y') + "\r\n\r\n"}) {
    const Connection connection(server.address());
    try {
      connection.send(nonsense);
    } catch (const std::runtime_error&) {
      // It has hung up already.
    }
  }
  EXPECT_THAT(scrape(server), HasSubstr("elbow_step"));
}

// Connected, and silent or deaf from then on: half of them ask, and none reads the answer.
class StalledReaders {
 public:
  StalledReaders(const std::string& address, int count) {
    for (int i = 0; i < count; ++i) {
      connections_.push_back(std::make_unique<Connection>(address));
      if (i % 2 == 0) connections_.back()->send(test::request("/metrics"));
    }
  }

 private:
  std::vector<std::unique_ptr<Connection>> connections_;
};

// Were an update to wait for one that hangs, 20,000 of them would take hours.
TEST(MetricsServer, StalledReadersDelayNoUpdate) {
  MetricsServer server("127.0.0.1", 0, identity());
  MetricsSnapshot snapshot = full_snapshot();
  const long threads_before = own_status("Threads");
  const long kib_before = own_status("VmRSS");
  const StalledReaders readers(server.address(), 64);
  for (std::int64_t step = 0; step < 20000; ++step) {
    snapshot.position.step = step;
    server.update(snapshot);
  }
  EXPECT_EQ(own_status("Threads"), threads_before);
  EXPECT_LT(own_status("VmRSS"), kib_before + 64 * 1024);
  EXPECT_THAT(scrape(server), HasSubstr("elbow_step{run=\"first\",rank=\"1\"} 19999\n"));
}

TEST(MetricsServer, StopsThoughReadersHang) {
  auto server = std::make_unique<MetricsServer>("127.0.0.1", 0, identity());
  const StalledReaders readers(server->address(), 64);
  const auto before = steady_clock::now();
  server.reset();
  EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(1));
}

// More connections than the server keeps, each of which sends a byte from time to time.
class Tricklers {
 public:
  Tricklers(const std::string& address, int count) {
    for (int i = 0; i < count; ++i) connections_.push_back(std::make_unique<Connection>(address));
    thread_ = std::jthread([this](const std::stop_token& token) {
      while (!token.stop_requested()) {
        for (const auto& connection : connections_) send_byte(*connection);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    });
  }
  const Connection& last() const { return *connections_.back(); }

 private:
  static void send_byte(const Connection& connection) {
    try {
      connection.send("G");
    } catch (const std::runtime_error&) {
      // It has been hung up on.
    }
  }
  std::vector<std::unique_ptr<Connection>> connections_;
  std::jthread thread_;
};

TEST(MetricsServer, SlowConnectionsDelayNoReader) {
  MetricsServer server("127.0.0.1", 0, identity());
  server.update(full_snapshot());
  const Tricklers tricklers(server.address(), 200);
  for (int i = 0; i < 20; ++i) {
    const auto before = steady_clock::now();
    EXPECT_THAT(scrape(server), HasSubstr("elbow_step"));
    EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(2));
  }
}

TEST(MetricsServer, ConnectionsEndWhateverTheyDo) {
  const MetricsServer server("127.0.0.1", 0, identity(), {.time = std::chrono::milliseconds(300)});
  const Tricklers tricklers(server.address(), 1);
  const auto before = steady_clock::now();
  EXPECT_EQ(tricklers.last().receive(), "");
  EXPECT_LT(steady_clock::now() - before, std::chrono::seconds(3));
}

TEST(MetricsServer, SaysWhatItDoesNotServe) {
  MetricsServer server("127.0.0.1", 0, identity());
  server.update(full_snapshot());
  const auto answer = [&](const std::string& text) {
    const Connection connection(server.address());
    connection.send(text);
    return connection.receive();
  };
  EXPECT_THAT(answer(test::request("/")), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(answer("POST /metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(answer("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer(std::string(20000, 'x')), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(answer(test::request("/metrics?a=b")), StartsWith("HTTP/1.1 200 OK\r\n"));
  const std::string head = answer("HEAD /metrics HTTP/1.0\r\n\r\n");
  EXPECT_THAT(head, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                          HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
                          testing::EndsWith("\r\n\r\n")));
}

TEST(MetricsServer, ManyReadersAtOnceSeeWholeSnapshots) {
  MetricsServer server("127.0.0.1", 0, identity());
  server.update({});
  std::atomic<bool> done = false;
  std::atomic<int> torn = 0;
  std::atomic<int> read = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        const std::string page = scrape(server);
        const auto value = [&](const std::string& metric) {
          const auto lines = lines_of(page, metric);
          return lines.size() == 1 ? std::stoll(lines[0].substr(lines[0].rfind(' '))) : -1;
        };
        torn += value("elbow_step") != value("elbow_skipped_steps_total");
        ++read;
      }
    });
  }
  MetricsSnapshot snapshot;
  while (read < 200) {
    snapshot.skipped_steps = ++snapshot.position.step;
    server.update(snapshot);
  }
  done = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
}

void on_sigpipe(int) {}

TEST(MetricsServer, LeavesSigpipeAsItWas) {
  void (*const before)(int) = std::signal(SIGPIPE, on_sigpipe);
  {
    MetricsServer first("127.0.0.1", 0, identity());
    MetricsServer second("127.0.0.1", 0, identity());
    struct sigaction action {};
    ::sigaction(SIGPIPE, nullptr, &action);
    EXPECT_EQ(action.sa_handler, &on_sigpipe);
    std::signal(SIGPIPE, SIG_DFL);
    scrape(first);
    scrape(second);
    // Readers that hang up before they are answered must not kill the process.
    for (int i = 0; i < 100; ++i) Connection(first.address()).send(test::request("/metrics"));
    EXPECT_THAT(scrape(first), HasSubstr("elbow_rank"));
    ::sigaction(SIGPIPE, nullptr, &action);
    EXPECT_EQ(action.sa_handler, SIG_DFL);
  }
  std::signal(SIGPIPE, before);
}

TEST(AddressProblem, TakesNumbersOnly) {
  for (const char* good : {"127.0.0.1", "0.0.0.0", "10.1.2.3", "::", "::1", "2001:db8::1"}) {
    EXPECT_EQ(address_problem(good), "") << good;
  }
  for (const std::string bad :
       {"", "localhost", "127.0.0", "127.0.0.1.1", "256.0.0.1", "127.0.0.1:80", "[::1]", "::1%lo",
        " 127.0.0.1", "127.0.0.1 ", "127.1", "0x7f.0.0.1", "+80", "80", ":::"}) {
    EXPECT_THAT(address_problem(bad), HasSubstr("127.0.0.1")) << bad;
  }
  EXPECT_NE(address_problem(std::string("127.0.0.1\0x", 11)), "");
}

}  // namespace
}  // namespace elbow
