// What the tests of the metrics server serve and read.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "base/text.h"
#include "monitoring/metrics_server.h"
#include "tests/monitoring/http.h"

namespace elbow::test {

inline MetricsIdentity identity() {
  return {"first", 1, 4, {{"version", "0.2.0"}}, {{"model", "vae"}, {"data", "fashion.h5"}}};
}

inline MetricsSnapshot full_snapshot() {
  MetricsSnapshot snapshot;
  snapshot.start = {100, 25600, 2};
  snapshot.position = {1234, 315904, 5};
  snapshot.planned_steps = 5000;
  snapshot.elbo = -102.25;
  snapshot.terms = {{"reconstruction", -77.125}, {"kl", 25.125}};
  snapshot.validation_elbo = -104.5;
  snapshot.learning_rate = 0.001;
  snapshot.gradient_norm = 3.5;
  snapshot.skipped_steps = 2;
  snapshot.skipped_samples = 512;
  for (std::size_t i = 0; i < snapshot.phase_seconds.size(); ++i) {
    snapshot.phase_seconds[i] = static_cast<double>(i) + 0.5;
  }
  snapshot.queued_batches = 4;
  snapshot.checkpoint_time = std::chrono::steady_clock::now() - std::chrono::minutes(10);
  snapshot.checkpoint_bytes = 7654321;
  snapshot.checkpoint_failures = 1;
  return snapshot;
}

inline std::string scrape(const MetricsServer& server) { return body(http_get(server.address())); }

// Lines that give a value of this metric.
inline std::vector<std::string> lines_of(const std::string& page, const std::string& metric) {
  std::vector<std::string> found;
  for (const auto& line : split(page, '\n')) {
    if (line.starts_with(metric + "{") || line.starts_with(metric + " ")) found.push_back(line);
  }
  return found;
}

}  // namespace elbow::test
