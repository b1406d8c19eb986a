#pragma once

#include <cstdint>
#include <string>

#include "base/options.h"

namespace elbow {

// [metrics]
struct MetricsOptions {
  std::string every = "10 steps";  // an Interval: how often a line of metrics.jsonl is written
  bool serve = true;               // whether ranks serve their numbers to Prometheus
  std::string address = "127.0.0.1";
  std::int64_t port = 0;  // 0: a free one
  std::string discovery;  // folder for Prometheus' file discovery; "" is none
};

void declare(OptionTable& table, MetricsOptions& options);

}  // namespace elbow
