#pragma once

#include <string>

#include "base/options.h"

namespace elbow {

// [metrics]
struct MetricsOptions {
  std::string every = "10 steps";  // an Interval: how often a line of metrics.jsonl is written
};

void declare(OptionTable& table, MetricsOptions& options);

}  // namespace elbow
