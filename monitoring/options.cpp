#include "monitoring/options.h"

#include <algorithm>

#include "base/interval.h"
#include "monitoring/metrics_server.h"

namespace elbow {
namespace {

std::string folder_problem(const std::string& folder) {
  const bool control = std::any_of(folder.begin(), folder.end(),
                                   [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  return control ? "must be a folder's name, without control characters" : "";
}

}  // namespace

void declare(OptionTable& table, MetricsOptions& options) {
  table
      .add("metrics.every", &options.every,
           "how often figures are written to metrics.jsonl: N steps, N epochs, N s, N min, N h, "
           "never",
           TextCheck(interval_problem))
      .may_change = true;
  table
      .add("metrics.serve", &options.serve,
           "whether every rank serves its metrics to Prometheus, at http://ADDRESS:PORT/metrics")
      .may_change = true;
  table
      .add("metrics.address", &options.address,
           "the address that metrics are served at: 127.0.0.1 for this machine only, 0.0.0.0 for "
           "all interfaces",
           TextCheck(address_problem))
      .may_change = true;
  table
      .add("metrics.port", &options.port,
           "the port that metrics are served at; 0 takes a free one, as does a port that is taken",
           between(0, 65535))
      .may_change = true;
  table
      .add("metrics.discovery", &options.discovery,
           "a folder to list the run in for Prometheus' file discovery; empty for none",
           TextCheck(folder_problem))
      .may_change = true;
}

}  // namespace elbow
