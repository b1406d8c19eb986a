// The training loop: one step, front to back, until the course is run or something ends it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/interval.h"
#include "data/data_set.h"
#include "data/order.h"
#include "trainer/comm/communicator.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/model/observation.h"
#include "trainer/model/procedure.h"
#include "trainer/training/batches.h"
#include "trainer/training/flat_parameters.h"
#include "trainer/training/optimizer.h"
#include "trainer/training/options.h"

namespace elbow {

// What one step did, over the whole job; the same on every rank but for `seconds`.
struct StepReport {
  std::int64_t step = 0;     // steps done, this one included
  std::int64_t samples = 0;  // samples seen, this step's included
  std::int64_t epoch = 0;    // epochs completed before this step
  std::int64_t count = 0;    // samples that entered this step's gradient
  double elbo = 0;           // means over `count`, nats a sample
  double reconstruction = 0;
  double kl = 0;
  double gradient_norm = 0;  // of the mean gradient, before clipping
  double rate = 0;
  std::int64_t skipped = 0;  // samples left out so far as not finite
  // Of this rank, by phase.
  struct Seconds {
    double data = 0, compute = 0, sum = 0, optimizer = 0;
  } seconds;
};

struct ValidationReport {
  std::int64_t step = 0;
  std::int64_t samples = 0;
  std::int64_t epoch = 0;
  Figures figures;
  bool best = false;
};

enum class TrainingEnd { kFinished, kPatience, kSignal };

struct TrainingResult {
  TrainingEnd end = TrainingEnd::kFinished;
  std::int64_t steps = 0;
  std::int64_t samples = 0;
  std::int64_t skipped = 0;
  std::optional<ValidationReport> best;  // with a validation set
};

struct TrainingJob {
  Communicator& comm;
  Procedure& procedure;
  const Observation& observation;
  DataSet& data;  // read by the loader's thread alone
  const Order& order;
  TrainingOptions training;
  OptimizerOptions optimizer;
  bool skip_not_finite = false;

  // Evaluates the validation set; collective. Empty without one.
  std::function<Figures()> validate = nullptr;
  Interval validate_every = {};
  std::int64_t patience = 0;  // validations without a better ELBO before stopping; 0: never

  // Each may be empty; called on every rank.
  std::function<void(const StepReport&)> on_step = nullptr;
  std::function<void(const ValidationReport&)> on_validation = nullptr;
  std::function<void(const Batch&)> on_batch = nullptr;  // the samples this rank is about to use
  std::function<bool()> stop_requested = nullptr;        // asked on every rank at each step
};

// Collective. Trains the procedure's parameters in place. Fast mode: the same bits for the same
// number of ranks, agreement to rounding otherwise. Throws SharedError when a sample is not finite
// (unless told to skip it) or when the objective is no longer finite.
TrainingResult train(const TrainingJob& job);

}  // namespace elbow
