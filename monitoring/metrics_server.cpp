#include "monitoring/metrics_server.h"

#include <cerrno>
#include <chrono>
#include <mutex>
#include <optional>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "monitoring/metric_families.h"
#include "base/process_identity.h"

namespace elbow {
namespace {

constexpr std::int64_t kLargestPort = 65535;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Nothing unless `address` is numbers.
std::optional<SocketAddress> socket_address(const std::string& address, std::int64_t port) {
  if (address.find('\0') != std::string::npos) return std::nullopt;
  SocketAddress result;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
  if (::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<std::uint16_t>(port));
    result.size = sizeof(sockaddr_in);
  } else if (::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<std::uint16_t>(port));
    result.size = sizeof(sockaddr_in6);
  } else {
    return std::nullopt;
  }
  return result;
}

std::string with_port(const std::string& address, std::int64_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address, v6 ? "]" : "", port);
}

// A socket that listens at the address; else nothing, and errno says why.
Descriptor listen_at(const SocketAddress& address) {
  constexpr int kWaiting = 128;  // connections that are not yet accepted
  Descriptor socket(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!socket.valid() || ::bind(socket.get(), address.get(), address.size) != 0 ||
      ::listen(socket.get(), kWaiting) != 0) {
    const int reason = errno;
    socket.reset();
    errno = reason;
  }
  return socket;
}

std::int64_t port_of(const Descriptor& socket) {
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  if (::getsockname(socket.get(), bound.get(), &bound.size) != 0) return 0;
  const bool v6 = bound.storage.ss_family == AF_INET6;
  return ntohs(v6 ? reinterpret_cast<sockaddr_in6*>(bound.get())->sin6_port
                  : reinterpret_cast<sockaddr_in*>(bound.get())->sin_port);
}

}  // namespace

class MetricsServer::Latest {
 public:
  explicit Latest(MetricsIdentity identity) : identity_(std::move(identity)) {}

  void set(const MetricsSnapshot& snapshot) {
    const std::lock_guard lock(mutex_);
    snapshot_ = snapshot;
  }

  void set_waits(std::function<WaitFigures()> waits) {
    const std::lock_guard lock(mutex_);
    waits_ = std::move(waits);
  }

  // In Prometheus' text format. The lock is given back before anything is made of the copies, let
  // alone sent.
  std::string page() const {
    const auto [snapshot, waits] = [this] {
      const std::lock_guard lock(mutex_);
      return std::pair(snapshot_, waits_);
    }();
    return prometheus::TextSerializer().Serialize(
        metric_families(identity_, snapshot, waits ? std::optional(waits()) : std::nullopt,
                        std::chrono::steady_clock::now()));
  }

 private:
  const MetricsIdentity identity_;
  mutable std::mutex mutex_;
  std::optional<MetricsSnapshot> snapshot_;
  std::function<WaitFigures()> waits_;
};

std::string address_problem(const std::string& address) {
  if (socket_address(address, 0)) return "";
  return "is not an address in numbers, such as 127.0.0.1 (this machine only), 0.0.0.0 (all "
         "interfaces) or ::1";
}

MetricsServer::MetricsServer() = default;

MetricsServer::MetricsServer(const std::string& address, std::int64_t port,
                             MetricsIdentity identity, HttpLimits limits)
    : latest_(std::make_shared<Latest>(std::move(identity))), host_(address) {
  const auto asked = socket_address(address, port);
  if (!asked || port < 0 || port > kLargestPort) {
    log::warning("no metrics are served: '{}', port {}, is no address", address, port);
    return;
  }
  Descriptor socket = listen_at(*asked);
  const std::string problem = socket.valid() ? "" : errno_text(errno);
  if (!socket.valid() && port != 0) socket = listen_at(*socket_address(address, 0));
  try {
    if (socket.valid()) {
      port_ = port_of(socket);
      server_ = std::make_unique<HttpServer>(
          std::move(socket), "/metrics", [latest = latest_] { return latest->page(); }, limits);
    }
  } catch (const std::exception& error) {
    log::warning("no metrics are served: {}", error.what());
    return;
  }
  if (problem.empty()) return;
  if (server_) {
    log::warning(
        "metrics cannot be served at {} ({}) and are at {}; choose another metrics.port, or 0 for "
        "a free one",
        with_port(address, port), problem, this->address());
  } else {
    log::warning(
        "no metrics are served: cannot listen at {} ({}); choose another metrics.address or "
        "metrics.port",
        with_port(address, port), problem);
  }
}

MetricsServer::~MetricsServer() = default;

void MetricsServer::update(const MetricsSnapshot& snapshot) {
  if (latest_) latest_->set(snapshot);
}

void MetricsServer::tell_waits(std::function<WaitFigures()> waits) {
  if (latest_) latest_->set_waits(std::move(waits));
}

std::string MetricsServer::address() const { return server_ ? with_port(host_, port_) : ""; }

std::string MetricsServer::target() const {
  const bool all = host_ == "0.0.0.0" || host_ == "::";
  return server_ ? with_port(all ? this_process().host : host_, port_) : "";
}

}  // namespace elbow
