#include "monitoring/metrics_server.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <mutex>
#include <optional>
#include <semaphore>
#include <thread>

#include <CivetServer.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "monitoring/metric_families.h"
#include "base/process_identity.h"

namespace elbow {
namespace {

// Whoever connects and is silent keeps a thread for the time that a request may take: together they
// make 64 of them delay the next reader by less than the ten seconds that Prometheus waits.
constexpr int kThreads = 4;
constexpr int kRequestMilliseconds = 500;
constexpr std::int64_t kLargestPort = 65535;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
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

Descriptor make_socket(int family) {
  return Descriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// Why it cannot be listened at: the web server does not say.
std::string listen_problem(const SocketAddress& address) {
  if (address.storage.ss_family == AF_INET6 && mg_check_feature(MG_FEATURES_IPV6) == 0) {
    return "the CivetWeb library of this system, which serves them, was built without IPv6";
  }
  const Descriptor socket = make_socket(address.storage.ss_family);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (!socket.valid() || ::bind(socket.get(), address.get(), address.size) != 0 ||
      ::listen(socket.get(), 1) != 0) {
    return errno_text(errno);
  }
  return "the web server did not start";
}

// Each thread of the web server makes the process ignore SIGPIPE as it starts, and then calls this,
// a plain function: what it needs can only be static. One server starts at a time.
std::mutex starting;
struct sigaction sigpipe_before {};
std::counting_semaphore<> threads_started{0};

void* restore_sigpipe(const mg_context*, int) {
  ::sigaction(SIGPIPE, &sigpipe_before, nullptr);
  threads_started.release();
  return nullptr;
}

// Null when the web server cannot listen there.
std::unique_ptr<prometheus::Exposer> make_exposer(const std::string& listening) {
  const std::lock_guard lock(starting);
  ::sigaction(SIGPIPE, nullptr, &sigpipe_before);
  CivetCallbacks callbacks;
  callbacks.init_thread = restore_sigpipe;
  const std::vector<std::string> options = {
      "listening_ports",    listening,
      "num_threads",        std::to_string(kThreads),
      "request_timeout_ms", std::to_string(kRequestMilliseconds)};
  try {
    auto exposer = std::make_unique<prometheus::Exposer>(options, &callbacks);
    // And one that accepts connections. The limit is for versions that start threads when needed.
    for (int i = 0; i < kThreads + 1; ++i) {
      if (!threads_started.try_acquire_for(std::chrono::seconds(1))) break;
    }
    return exposer;
  } catch (const std::exception&) {
    return nullptr;
  }
}

// The web server looks every two seconds whether it is to stop, or when somebody connects.
void stop(std::unique_ptr<prometheus::Exposer> exposer, const SocketAddress& address) {
  std::atomic<bool> stopped = false;
  std::thread stopper([&] {
    exposer.reset();
    stopped = true;
  });
  while (!stopped) {
    const Descriptor knock = make_socket(address.storage.ss_family);
    // Not waited for, and refused once the server is gone: either is well.
    static_cast<void>(::connect(knock.get(), address.get(), address.size));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  stopper.join();
}

}  // namespace

class MetricsServer::Latest : public prometheus::Collectable {
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

  // The lock is given back before anything is made of the copies, let alone sent.
  std::vector<prometheus::MetricFamily> Collect() const override {
    const auto [snapshot, waits] = [this] {
      const std::lock_guard lock(mutex_);
      return std::pair(snapshot_, waits_);
    }();
    return metric_families(identity_, snapshot, waits ? std::optional(waits()) : std::nullopt,
                           std::chrono::steady_clock::now());
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
                             MetricsIdentity identity)
    : latest_(std::make_shared<Latest>(std::move(identity))), host_(address) {
  const auto parsed = socket_address(address, port);
  if (!parsed || port < 0 || port > kLargestPort) {
    log::warning("no metrics are served: '{}', port {}, is no address", address, port);
    return;
  }
  start(port);
  if (exposer_) return;
  const std::string problem = listen_problem(*parsed);
  if (port != 0) start(0);
  if (exposer_) {
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

void MetricsServer::start(std::int64_t port) {
  exposer_ = make_exposer(with_port(host_, port));
  if (!exposer_) return;
  exposer_->RegisterCollectable(latest_);
  port_ = exposer_->GetListeningPorts().at(0);
}

MetricsServer::~MetricsServer() {
  if (!exposer_) return;
  try {
    stop(std::move(exposer_), socket_address(host_, port_).value());
  } catch (const std::exception& error) {
    log::warning("the metrics server did not stop cleanly: {}", error.what());
  }
}

void MetricsServer::update(const MetricsSnapshot& snapshot) {
  if (latest_) latest_->set(snapshot);
}

void MetricsServer::tell_waits(std::function<WaitFigures()> waits) {
  if (latest_) latest_->set_waits(std::move(waits));
}

std::string MetricsServer::address() const { return exposer_ ? with_port(host_, port_) : ""; }

std::string MetricsServer::target() const {
  const bool all = host_ == "0.0.0.0" || host_ == "::";
  return exposer_ ? with_port(all ? this_process().host : host_, port_) : "";
}

}  // namespace elbow
