// How a run is going, from the files in its directory: what 'elbow status' and 'elbow list' show.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/run/run_metrics.h"
#include "trainer/run/run_status.h"

namespace elbow {

struct RunSummary {
  std::filesystem::path root;
  RunStatus status;
  RunMetrics metrics;
  std::vector<std::string> problems;   // of files that could not be read
  std::optional<double> done;          // share of the training, 0 to 1
  std::optional<double> seconds_left;  // of a run in progress
};

// Whatever lies in the directory: what cannot be read is among the problems.
RunSummary summarise_run(const std::filesystem::path& root);

// Whether a run in progress has written no figures for much longer than it ever did: an evaluation
// that takes its time, or a rank that hangs.
bool stalls(const RunSummary& run);

// "running on n1 with 4 ranks for 12 min"
std::string condition_text(const RunSummary& run);

// "37%, 23 min left", "stopped at 37%", "epoch 1 of 20"
std::string progress_text(const RunSummary& run);

// "3 min 20 s", "12 days"
std::string age_text(double seconds);

// Text of a stranger's file in a place that has room for some of one line: printable, and not long.
std::string shown_text(const std::string& text);

nlohmann::ordered_json to_json(const RunSummary& run);

// JSON as it is printed, whatever bytes names are made of.
std::string printed_json(const nlohmann::ordered_json& json);

}  // namespace elbow
