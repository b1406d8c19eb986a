// The numbers of a running job, served to Prometheus: http://ADDRESS:PORT/metrics of every rank.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "monitoring/http_server.h"
#include "monitoring/metrics_snapshot.h"

namespace elbow {

using MetricsLabels = std::vector<std::pair<std::string, std::string>>;  // name, value

// Who serves. Names and values may be any text: they are made fit for labels (see label.h).
struct MetricsIdentity {
  std::string run;
  int rank = 0;
  int world_size = 1;
  MetricsLabels build;      // of elbow_build_info: {"version", "0.2.0"}, ...; the first 32 count
  MetricsLabels about_run;  // of elbow_run_info: {"model", "vae"}, ...; the first 32 count
};

// A TextCheck: "" for an IPv4 or IPv6 address as numbers, else what is wrong and a valid example.
std::string address_problem(const std::string& address);

// Serves the latest snapshot from a thread of its own until it is destroyed; nothing but /metrics.
// Monitoring never ends a run: what goes wrong is a warning in the log, and nothing here throws.
//
// update may be called from any thread and does nothing but copy: it never waits for whoever reads
// the numbers, however many there are and however slow, and neither do other readers (see
// HttpLimits).
//
// No reader raises SIGPIPE, whose disposition stays as it was: a rank that writes to a launcher
// that is gone must die of it, not stay behind in a collective.
class MetricsServer {
 public:
  MetricsServer();  // serves nothing: update does nothing, address is empty

  // Binds exactly `address` (numbers; "0.0.0.0" and "::" are all interfaces); port 0 takes a free
  // port. A port that cannot be had is a warning, and a free one is taken instead; where the
  // address cannot be had either, or is none, it is a warning, and nothing is served.
  MetricsServer(const std::string& address, std::int64_t port, MetricsIdentity identity,
                HttpLimits limits = {});
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  void update(const MetricsSnapshot& snapshot);
  // From now on each reader is told what `waits` says then. It is called by the server's threads,
  // and must do so quickly.
  void tell_waits(std::function<WaitFigures()> waits);

  // What is bound: "127.0.0.1:41234", "[::1]:41234"; empty when nothing is served.
  std::string address() const;

  // Where others find it: as address, but this machine's name in place of "all interfaces".
  std::string target() const;

 private:
  class Latest;

  std::shared_ptr<Latest> latest_;
  std::unique_ptr<HttpServer> server_;
  std::string host_;  // as it was given
  std::int64_t port_ = 0;
};

}  // namespace elbow
