// A snapshot as Prometheus' families of metrics: names, help texts, types and labels.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include <prometheus/metric_family.h>

#include "monitoring/metrics_server.h"

namespace elbow {

// Every metric carries the labels `run` and `rank`. Without a snapshot, only what the identity
// says; without `waits`, nothing of them. `now` is what the age of a checkpoint is counted to.
// Pure, so safe from any thread.
//
// Counters count from the start of the process, as Prometheus expects of them: a run that goes on
// from a checkpoint steps back, which its rate() would take for progress from zero.
std::vector<prometheus::MetricFamily> metric_families(
    const MetricsIdentity& identity, const std::optional<MetricsSnapshot>& snapshot,
    const std::optional<WaitFigures>& waits, std::chrono::steady_clock::time_point now);

}  // namespace elbow
