// A training's numbers for Prometheus, of every rank; and where the ranks are to be found.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "monitoring/discovery.h"
#include "monitoring/metrics_server.h"
#include "monitoring/metrics_snapshot.h"
#include "monitoring/options.h"
#include "trainer/comm/communicator.h"
#include "trainer/training/batches.h"
#include "trainer/training/job.h"

namespace elbow {

class Exporter {
 public:
  // Collective; `comm` outlives it. `start` is where this session takes the run up. Rank 0 writes
  // the discovery files into `run_directory` and the folder that the options name. A fixed port is
  // that of the first rank of a host; its other ranks take the next ones. `kinds`: what the figures
  // of a StepReport are.
  Exporter(Communicator& comm, const MetricsOptions& options, MetricsIdentity identity,
           const std::filesystem::path& run_directory, std::vector<FigureKind> kinds,
           const Course& course, const TrainingRecord& start);

  void step(const StepReport& report);
  void validation(const ValidationReport& report);
  void checkpoint(const CheckpointOutcome& outcome);

  std::string address() const { return server_.address(); }

 private:
  RunPosition position(std::int64_t step, std::int64_t samples) const;

  std::vector<FigureKind> kinds_;
  Course course_;
  std::int64_t earlier_skipped_steps_;
  std::int64_t earlier_skipped_samples_;
  MetricsSnapshot snapshot_;
  MetricsServer server_;
  std::optional<Discovery> discovery_;
};

}  // namespace elbow
