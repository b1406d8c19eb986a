#include "trainer/training/exporter.h"

#include <cmath>

#include "trainer/comm/together.h"
#include "trainer/comm/watch/watchdog.h"

namespace elbow {
namespace {

constexpr std::int64_t kLastPort = 65535;

std::int64_t port_of(const MetricsOptions& options, int local_rank) {
  const std::int64_t port = options.port + local_rank;
  return options.port == 0 || port > kLastPort ? 0 : port;
}

WaitFigures waits_of(const Watchdog& watchdog) {
  const WatchFigures known = watchdog.figures();
  WaitFigures figures{known.collective_seconds, {}};
  for (const Straggling& one : known.stragglers) {
    figures.stragglers.push_back({one.rank, one.times, one.seconds});
  }
  return figures;
}

// Left out where it has no meaning for the model.
std::optional<double> known(double figure) {
  return std::isnan(figure) ? std::nullopt : std::optional(figure);
}

}  // namespace

Exporter::Exporter(Communicator& comm, const MetricsOptions& options, MetricsIdentity identity,
                   const std::filesystem::path& run_directory, std::vector<FigureKind> kinds,
                   const Course& course, const TrainingRecord& start)
    : kinds_(std::move(kinds)),
      course_(course),
      earlier_skipped_steps_(start.skipped_steps),
      earlier_skipped_samples_(start.skipped_samples),
      server_(options.address, port_of(options, comm.local_rank()), identity) {
  snapshot_.start = position(start.step, start.samples);
  snapshot_.position = snapshot_.start;
  snapshot_.planned_steps = course_.steps();
  server_.update(snapshot_);
  if (const Watchdog* const watchdog = comm.watchdog()) {
    server_.tell_waits([watchdog] { return waits_of(*watchdog); });
  }
  const std::vector<std::string> targets = gather_text(comm, server_.target());
  if (comm.rank() == 0) {
    discovery_.emplace(identity.run, targets, run_directory, options.discovery);
  }
}

RunPosition Exporter::position(std::int64_t step, std::int64_t samples) const {
  return {step, samples, step / course_.steps_per_epoch()};
}

void Exporter::step(const StepReport& report) {
  snapshot_.position = position(report.step, report.samples);
  if (report.count > 0) {
    snapshot_.elbo = known(report.figures[kElboFigure]);
    snapshot_.terms.clear();
    for (std::size_t i = kElboFigure + 1; i < kinds_.size(); ++i) {
      if (known(report.figures[i])) snapshot_.terms.emplace_back(kinds_[i].name, report.figures[i]);
    }
    snapshot_.gradient_norm = report.gradient_norm;
    snapshot_.learning_rate = report.rate;
  }
  snapshot_.skipped_steps = report.skipped_steps - earlier_skipped_steps_;
  snapshot_.skipped_samples = report.skipped_samples - earlier_skipped_samples_;
  snapshot_.queued_batches = report.queued;
  snapshot_.seconds(Phase::kData) += report.seconds.data;
  snapshot_.seconds(Phase::kForward) += report.seconds.forward;
  snapshot_.seconds(Phase::kBackward) += report.seconds.backward;
  snapshot_.seconds(Phase::kSum) += report.seconds.sum;
  snapshot_.seconds(Phase::kOptimizer) += report.seconds.optimizer;
  snapshot_.seconds(Phase::kCheckpoint) += report.seconds.checkpoint;
  snapshot_.seconds(Phase::kEvaluation) += report.seconds.evaluation;
  server_.update(snapshot_);
}

void Exporter::validation(const ValidationReport& report) {
  snapshot_.validation_elbo = known(report.figures.elbo);
  server_.update(snapshot_);
}

void Exporter::checkpoint(const CheckpointOutcome& outcome) {
  if (outcome.problem.empty()) {
    snapshot_.checkpoint_time = std::chrono::steady_clock::now();
    snapshot_.checkpoint_bytes = static_cast<std::int64_t>(outcome.bytes);
  } else {
    ++snapshot_.checkpoint_failures;
  }
  server_.update(snapshot_);
}

}  // namespace elbow
