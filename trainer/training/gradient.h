// The gradient of one step, over the whole job.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "data/loader.h"
#include "trainer/comm/reducer.h"
#include "trainer/training/batches.h"
#include "trainer/training/data_scale.h"
#include "trainer/training/job.h"
#include "trainer/training/step_rows.h"

namespace elbow {

// What the configuration asks for, with the KL's weight as it is after the warm-up.
Objective objective_of(const TrainingOptions& training);

// The key of a step's noise.
RunNoise noise_at(const TrainingOptions& training, const StepPlace& place);

// Sums over the samples of a step, in the whole job: the same on every rank.
struct BatchSums {
  std::vector<double> figures;   // Procedure::training_figures(); NaN without meaning for the model
  double count = 0;              // samples that were computed
  double not_finite = 0;         // samples that were not
  double bad_row_gradients = 0;  // shards with a gradient of rows that is not finite
};

// Adds up the gradients of a step's shards in the flat gradient of the job's state: each rank those
// of its own shards, a shard at a time, and the reducer those of the ranks.
class BatchGradient {
 public:
  // Refers to both.
  BatchGradient(const TrainingJob& job, const Course& course);

  // From here on: where this rank's shards come from.
  void read_from(Loader& loader) { loader_ = &loader; }
  // From here on: the rows of the samples, where a model has them.
  void use_rows(RowTable& table) { table_ = &table; }

  // Collective. The time it takes goes into `seconds`, by phase.
  BatchSums compute(const StepPlace& place, StepReport::Seconds& seconds);
  // Collective. Gives the rows of the step that was computed last their update, where there are
  // any.
  void update_rows(const RowStep& step);
  // Collective, after a step in which a sample was not finite: throws SharedError naming the one of
  // the highest index.
  [[noreturn]] void refuse_not_finite() const;

  // The scale of the first shard that this rank has computed; none before that, and none where it
  // had no samples.
  const std::optional<DataScale>& first_scale() const { return first_scale_; }

  int queued() const { return loader_->queued(); }

 private:
  // The samples of a shard that can be computed, and how many cannot.
  struct LoadedShard {
    torch::Tensor x;
    torch::Tensor c;
    std::vector<std::int64_t> indices;
    std::int64_t not_finite = 0;
    StepRows::Loan loan = {};  // empty where samples have no rows
    Shard shard() const { return {x, indices, c, loan.rows}; }
  };

  bool is_mine(const ShardRange& shard) const {
    return shard.rank == job_.comm.rank() && shard.size() > 0;
  }
  ShardOwners owners_of(const std::vector<ShardRange>& plan) const;
  RowPlan row_plan(const StepPlace& place, const std::vector<ShardRange>& plan);
  Objective objective_at(const StepPlace& place) const;
  LoadedShard load_shard(const StepPlace& place, StepReport::Seconds& seconds);
  static void keep_finite(LoadedShard& loaded, const Batch& batch);
  torch::Tensor batch_means(const std::vector<ShardRange>& plan,
                            const std::deque<LoadedShard>& loaded, const Objective& objective);
  torch::Tensor compute_shard(const LoadedShard& loaded, const StepPlace& place,
                              const Objective& objective, StepReport::Seconds& seconds);

  const TrainingJob& job_;
  const Course& course_;
  std::size_t figures_;  // of a step
  std::unique_ptr<Reducer> reducer_;
  Loader* loader_ = nullptr;
  RowTable* table_ = nullptr;
  std::optional<StepRows> rows_;  // of the step that is computed
  CurrentEpoch epoch_;
  std::optional<DataScale> first_scale_;
  std::int64_t not_finite_ = -1;  // highest index found by this rank in this step
};

}  // namespace elbow
