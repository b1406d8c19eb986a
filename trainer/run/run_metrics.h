// What metrics.jsonl says of a run, to someone who only reads it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace elbow {

// A line: of training, or of a validation. Nats a sample.
struct RunFigures {
  std::int64_t step = 0;
  std::int64_t samples = 0;
  std::int64_t epoch = 0;  // the first is 0
  std::optional<double> elbo;
  std::optional<double> log_likelihood;  // of a validation
  bool given_c = false;                  // it is of x given c
  double seconds = 0;                    // since its session began
};

struct RunMetrics {
  std::optional<RunFigures> training;    // the last line
  std::optional<RunFigures> validation;  // the last one
  std::optional<RunFigures> best;        // of the validations
  // Over the last lines of the last session, with all that happened between them.
  std::optional<double> samples_per_second;
  double age = 0;          // seconds since the file grew
  double longest_gap = 0;  // seconds between two lines of the last session
};

// Lines that are no figures of a run are passed over, and of a long file only the end is read.
// Without a file there are no figures. Throws CheckpointError for one that cannot be read.
RunMetrics read_run_metrics(const std::filesystem::path& path);

// Seconds since a file was changed, at least 0: the clock of its file system may be ahead. Nothing
// where it cannot be told.
std::optional<double> file_age(const std::filesystem::path& path);

}  // namespace elbow
