// What a training tells people and programs while it runs: the progress line, the lines of epochs
// in the log, and metrics.jsonl.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/interval.h"
#include "monitoring/metrics_file.h"
#include "monitoring/progress.h"
#include "trainer/training/batches.h"
#include "trainer/training/epoch_lines.h"
#include "trainer/training/job.h"

namespace elbow {

// On rank 0. A full disk keeps lines of metrics back, with a warning.
class Reporter {
 public:
  // `kinds`: what the figures of a StepReport are. `every`: how often a line of metrics is written,
  // with means over the steps since the last.
  // `start` is where this session takes the run up, `earlier` the record of that checkpoint, which
  // to_json() was a part of; null without. `write` makes the file of metrics.
  Reporter(const std::filesystem::path& metrics, std::vector<FigureKind> kinds,
           const Interval& every, const Course& course, int ranks, const TrainingRecord& start,
           const nlohmann::ordered_json& earlier, const AtomicWrite& write = write_atomically);

  void step(const StepReport& report);
  void validation(const ValidationReport& report);
  // The sums that the next lines will be made of.
  nlohmann::ordered_json to_json() const;
  void validating();  // the line says so until the next step
  void finish();
  // Throws Error when lines of metrics are not on disk. From any thread.
  void flush() { metrics_.flush(); }

 private:
  // Since the last line of metrics.
  struct Window {
    explicit Window(StepSums start) : sums(std::move(start)) {}
    StepSums sums;
    StepReport::Seconds seconds;
  };

  void tell(const std::string& line);   // unless it is empty, above the progress line
  void show(const StepReport& report);  // on the progress line
  void write_window(const StepReport& last);
  void append(const MetricsFields& figures, MetricsFields time);

  MetricsFile metrics_;
  std::vector<FigureKind> kinds_;
  Interval every_;
  Course course_;
  int ranks_;
  Progress progress_;
  EpochLines epochs_;
  ProgressState shown_;
  Window window_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point written_ = started_;
  std::chrono::steady_clock::time_point validating_since_ = started_;
};

}  // namespace elbow
