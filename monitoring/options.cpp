#include "monitoring/options.h"

#include "base/interval.h"

namespace elbow {

void declare(OptionTable& table, MetricsOptions& options) {
  table
      .add("metrics.every", &options.every,
           "how often figures are written to metrics.jsonl: N steps, N epochs, N s, N min, N h, "
           "never",
           TextCheck(interval_problem))
      .may_change = true;
}

}  // namespace elbow
