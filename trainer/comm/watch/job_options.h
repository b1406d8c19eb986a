// How long the ranks of a job wait for each other.
#pragma once

#include <string>

#include "base/options.h"

namespace elbow {

// [job]: intervals of time, or never
struct JobOptions {
  std::string collective_limit = "30 min";
  std::string straggler_after = "30 s";
  std::string link_limit = "20 s";
};

void declare(OptionTable& table, JobOptions& options);

// The same in seconds; infinity where there is none.
struct WatchLimits {
  double collective = 1800;  // that ranks may wait in a collective, or that a rank may be silent
  double straggler = 30;     // after which a rank that others wait for is named
  double link = 20;          // that a link may carry nothing before it counts as cut
};

WatchLimits limits_of(const JobOptions& options);

}  // namespace elbow
