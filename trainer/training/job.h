// What a training is given, and what it tells of its steps.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/data_set.h"
#include "data/order.h"
#include "trainer/comm/communicator.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/model/conditioning.h"
#include "trainer/model/observation.h"
#include "trainer/model/procedure.h"
#include "trainer/run/checkpoint_writer.h"
#include "trainer/run/coordinator.h"
#include "trainer/training/options.h"
#include "trainer/training/training_state.h"

namespace elbow {

// What one step did, over the whole job; the same on every rank but for `seconds` and `queued`.
struct StepReport {
  std::int64_t step = 0;     // steps done, this one included
  std::int64_t samples = 0;  // samples seen, this step's included
  std::int64_t stage = 0;
  std::int64_t epoch = 0;  // epochs completed before this step
  std::int64_t count = 0;  // samples that entered an update; 0 when the step was skipped
  // Means over `count`, as Procedure::training_figures() declares them; NaN without meaning, and
  // none where the step was skipped.
  std::vector<double> figures;
  double gradient_norm = 0;  // of the mean gradient, before clipping
  double rate = 0;
  std::int64_t skipped_samples = 0;  // left out so far as not finite
  std::int64_t skipped_steps = 0;    // so far
  int queued = 0;                    // shards that lie ready for this rank
  // What this rank spent since the step before, by phase.
  struct Seconds {
    double data = 0, forward = 0, backward = 0, sum = 0, optimizer = 0, checkpoint = 0,
           evaluation = 0;
  } seconds;
};

enum class TrainingEnd { kFinished, kPatience, kSignal, kTimeLimit };

struct TrainingJob {
  Communicator& comm;
  Procedure& procedure;
  const Observation& observation;
  DataSet& data;  // read by the loader's thread alone
  const Order& order;
  TrainingOptions training;
  TrainingState& state;  // where the training begins; rank 0's counts
  OptimizerOptions optimizer;
  bool skip_not_finite = false;  // samples
  // What a conditioned model is given: a row of labels for each sample.
  const Conditioning& conditioning = kNoCondition;
  const DataSet* labels = nullptr;

  Schedule schedule = {};
  // Evaluates the validation set; collective. Empty without one.
  std::function<Figures()> validate = nullptr;
  // The figures of the training set itself, for a procedure that is fitted to it; collective.
  std::function<Figures()> over_training_set = nullptr;
  std::int64_t patience = 0;  // validations without a better ELBO before stopping; 0: never
  // Where the state is saved; none when null.
  CheckpointWriter* checkpoints = nullptr;
  // What a checkpoint says beside the state: its record is completed by `record_beside` (rank 0).
  Manifest manifest = {};
  std::function<nlohmann::ordered_json()> record_beside = nullptr;

  // Each may be empty; called on every rank.
  std::function<void(const StepReport&)> on_step = nullptr;
  std::function<void(const ValidationReport&)> on_validation = nullptr;
  std::function<void(const CheckpointOutcome&)> on_checkpoint = nullptr;
  std::function<void(const Batch&)> on_shard = nullptr;  // the samples this rank is about to use
  std::function<bool()> stop_requested = nullptr;        // asked on every rank at each step
};

}  // namespace elbow
