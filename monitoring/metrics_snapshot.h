// The numbers that a running job shows: plain values, copied from the trainer to whoever asks.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace elbow {

// What a step's time goes into.
enum class Phase { kData, kForward, kBackward, kSum, kOptimizer, kCheckpoint, kEvaluation };

// Names of the phases, in the order of the enumeration: the values of the label `phase`.
inline constexpr std::array<const char*, 7> kPhaseNames = {
    "data", "forward", "backward", "sum", "optimizer", "checkpoint", "evaluation"};

// How far a run is, counted from its beginning, over the whole job.
struct RunPosition {
  std::int64_t step = 0;     // steps done
  std::int64_t samples = 0;  // samples seen
  std::int64_t epochs = 0;   // epochs completed
};

// Figures are nats per sample, the mean over the last step's batch. What is not known is left out.
struct MetricsSnapshot {
  RunPosition start;     // where this process took the run up: 0, or a checkpoint's position
  RunPosition position;  // where it is
  std::int64_t planned_steps = 0;  // those of the whole run when it is finished
  std::optional<double> elbo;
  std::vector<std::pair<std::string, double>> terms;  // of it, and beside it, by name
  std::optional<double> validation_elbo;              // of the latest validation
  double learning_rate = 0.0;
  std::optional<double> gradient_norm;  // before clipping
  std::int64_t skipped_steps = 0;       // by this process
  std::int64_t skipped_samples = 0;     // by this process

  double& seconds(Phase phase) { return phase_seconds[static_cast<std::size_t>(phase)]; }
  std::array<double, kPhaseNames.size()> phase_seconds{};  // by this process and rank, cumulative
  std::int64_t queued_batches = 0;                         // read ahead by this rank

  std::optional<std::chrono::steady_clock::time_point> checkpoint_time;  // of the last one
  std::optional<std::int64_t> checkpoint_bytes;                          // its size
  std::int64_t checkpoint_failures = 0;                                  // in this process
};

// How ranks wait for each other. Not part of a snapshot, as it goes on while a step stands still.
struct WaitFigures {
  struct Straggler {
    int rank = 0;
    std::int64_t times = 0;  // that the others had to wait for it
    double seconds = 0;      // for which they do now
  };
  double collective_seconds = 0;      // that this rank has spent in collectives
  std::vector<Straggler> stragglers;  // of the whole job, as far as this rank knows
};

}  // namespace elbow
