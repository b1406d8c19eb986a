// Everything a training goes on from (law 6): parameters, optimiser, averages, and the record of
// what has happened. None of it knows how many ranks there are.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/comm/communicator.h"
#include "trainer/comm/replicas.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/model/procedure.h"
#include "trainer/run/checkpoint.h"
#include "trainer/training/flat_parameters.h"
#include "trainer/training/optimizer.h"

namespace elbow {

struct ValidationReport {
  std::int64_t step = 0;
  std::int64_t samples = 0;
  std::int64_t epoch = 0;
  Figures figures;
  std::optional<Figures> average;  // of the averaged parameters, where they are kept
  bool best = false;
};

// The global record: the same on all ranks, and at any number of them.
struct TrainingRecord {
  std::int64_t stage = 0;            // that the state belongs to
  std::int64_t step = 0;             // steps done
  std::int64_t samples = 0;          // samples seen
  std::int64_t skipped_samples = 0;  // left out as not finite
  std::int64_t skipped_steps = 0;    // without an update
  std::int64_t skipped_in_a_row = 0;
  double usual_norm = 0;  // running mean of the gradient's norm, for the spike guard
  std::optional<ValidationReport> best;
  std::int64_t validations_without_gain = 0;
  bool validation_due = false;  // at this step, when the job was stopped before it
};

nlohmann::ordered_json to_json(const TrainingRecord& record);
// Throws CheckpointError naming `file`, where it was found, when it is not what to_json made.
TrainingRecord training_record_from_json(const nlohmann::ordered_json& json,
                                         const std::string& file);

class TrainingState {
 public:
  // Refers to `procedure`. `average_decay`: of the running mean of the parameters; 0: none is kept.
  TrainingState(Procedure& procedure, const OptimizerOptions& optimizer, double average_decay);

  // Enters a stage: the optimiser begins anew, and what was the best before counts no more.
  void begin_stage(std::int64_t stage);

  FlatParameters& parameters() { return parameters_; }
  Optimizer& optimizer() { return *optimizer_; }
  TrainingRecord& record() { return record_; }
  const TrainingRecord& record() const { return record_; }

  // After an update: lets the average follow, with decay min(average_decay, (1 + t)/(10 + t)) at
  // the t-th, so that it forgets the beginning.
  void follow();
  bool has_average() const { return average_.defined(); }
  // Parameters that do not learn, but were set, are their own average.
  void follow_constants();
  // Runs `action` with the average in place of the parameters.
  void with_average(const std::function<void()>& action);
  // Notes the parameters as the best so far.
  void keep_best() { best_ = parameters_.values().clone(); }

  // By name; no copies. Empty where there are none.
  NamedTensors named_parameters();
  NamedTensors named_average();

  // The files of a checkpoint, as copies that nothing changes any more.
  std::vector<StateFile> files();
  // Takes over what files() and the record held. Throws CheckpointError naming file and tensor.
  void restore(const Checkpoint& checkpoint);
  // Rank 0's state on every rank. Collective.
  void share(Communicator& comm);
  // The folder of the checkpoint that was restored, for files that each rank reads for itself;
  // empty at the beginning of a training.
  const std::filesystem::path& resumed_from() const { return resumed_from_; }
  // What replicas must agree on.
  NamedViews replicated();

  // The best parameters so far by name, those of now where there was no validation.
  NamedTensors named_best();

 private:
  NamedTensors named(const torch::Tensor& flat, const std::string& prefix = "");

  Procedure& procedure_;
  OptimizerOptions options_;
  FlatParameters parameters_;
  std::unique_ptr<Optimizer> optimizer_;
  double average_decay_;
  torch::Tensor average_;  // [P]; undefined when none is kept
  torch::Tensor best_;     // [P]; undefined before the first validation
  TrainingRecord record_;
  std::filesystem::path resumed_from_;
};

}  // namespace elbow
