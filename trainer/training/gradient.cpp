#include "trainer/training/gradient.h"

#include <algorithm>
#include <limits>

#include "trainer/comm/together.h"
#include "trainer/training/timed.h"

namespace elbow {
namespace {

// What a shard's sums hold behind its figures.
enum Bookkeeping { kCount, kNotFinite, kBadRowGradients, kBookkeeping };

// NaN for a figure that has no meaning for the model.
double sum_of(const torch::Tensor& figures) {
  return figures.defined() ? figures.sum(torch::kDouble).item<double>()
                           : std::numeric_limits<double>::quiet_NaN();
}

BatchSums to_sums(const torch::Tensor& sums, std::size_t figures) {
  const double* sum = sums.data_ptr<double>();
  const double* behind = sum + figures;
  return {{sum, behind}, behind[kCount], behind[kNotFinite], behind[kBadRowGradients]};
}

}  // namespace

Objective objective_of(const TrainingOptions& training) {
  Objective objective;
  objective.draws = training.draws;
  if (training.objective == "iwae") objective.kind = Objective::Kind::kIwae;
  if (training.objective == "dreg") objective.kind = Objective::Kind::kDreg;
  objective.kl_weight = training.beta;
  objective.free_bits = training.free_bits;
  return objective;
}

RunNoise noise_at(const TrainingOptions& training, const StepPlace& place) {
  return {static_cast<std::uint64_t>(training.seed), static_cast<std::uint32_t>(place.stage),
          static_cast<std::uint32_t>(place.epoch)};
}

BatchGradient::BatchGradient(const TrainingJob& job, const Course& course)
    : job_(job),
      course_(course),
      figures_(job.procedure.training_figures().size()),
      epoch_(job.order) {
  const auto width = static_cast<std::int64_t>(figures_) + kBookkeeping;
  torch::Tensor& gradient = job.state.parameters().gradient();
  reducer_ = job.training.sum == "reproducible"
                 ? make_reproducible_reducer(job.comm, gradient, width)
                 : make_fast_reducer(job.comm, gradient, width);
}

BatchSums BatchGradient::compute(const StepPlace& place, StepReport::Seconds& seconds) {
  const std::vector<ShardRange> plan = plan_batch(
      place.size(), shard_count(job_.training, place.size(), job_.comm.size()), job_.comm.size());
  reducer_->begin(owners_of(plan));
  not_finite_ = -1;
  if (table_ != nullptr) {
    timed(seconds.sum, [&] { rows_.emplace(*table_, row_plan(place, plan)); });
  }
  Objective objective = objective_at(place);
  std::deque<LoadedShard> loaded;  // all of them, where a statistic is needed before their terms
  if (job_.procedure.statistics(objective) > 0) {
    for (const ShardRange& shard : plan) {
      if (is_mine(shard)) loaded.push_back(load_shard(place, seconds));
    }
    objective.mean_kl = batch_means(plan, loaded, objective);
  }
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (!is_mine(plan[i])) continue;
    if (loaded.empty()) loaded.push_back(load_shard(place, seconds));
    const torch::Tensor sums = compute_shard(loaded.front(), place, objective, seconds);
    loaded.pop_front();
    timed(seconds.sum, [&] { reducer_->add(static_cast<std::int64_t>(i), sums); });
  }
  return to_sums(timed(seconds.sum, [&] { return reducer_->finish(); }), figures_);
}

void BatchGradient::update_rows(const RowStep& step) {
  if (rows_) rows_->update(step);
}

void BatchGradient::refuse_not_finite() const {
  torch::Tensor found = torch::full({1}, not_finite_, torch::kLong);
  job_.comm.all_reduce(found, Reduction::kMax);
  const auto index = found.item<std::int64_t>();
  throw SharedError(
      fmt::format("sample {} ({}) holds a NaN or an infinity; repair it, or leave such samples "
                  "out with --data.nan skip",
                  index, job_.data.row_name(index)),
      ExitCode::kData);
}

ShardOwners BatchGradient::owners_of(const std::vector<ShardRange>& plan) const {
  ShardOwners first(static_cast<std::size_t>(job_.comm.size()) + 1, 0);
  for (const ShardRange& shard : plan) ++first[static_cast<std::size_t>(shard.rank) + 1];
  for (std::size_t rank = 1; rank < first.size(); ++rank) first[rank] += first[rank - 1];
  return first;
}

// The samples of each rank's shards in this step.
RowPlan BatchGradient::row_plan(const StepPlace& place, const std::vector<ShardRange>& plan) {
  const EpochOrder& order = epoch_.order(place.epoch);
  RowPlan rows(static_cast<std::size_t>(job_.comm.size()));
  for (const ShardRange& shard : plan) {
    auto& wanted = rows[static_cast<std::size_t>(shard.rank)];
    for (std::int64_t i = shard.begin; i < shard.end; ++i) {
      wanted.push_back(order.at(place.begin + i));
    }
  }
  return rows;
}

// The schedule of the KL's weight, like that of the rate, at the middle of the batch.
Objective BatchGradient::objective_at(const StepPlace& place) const {
  Objective objective = objective_of(job_.training);
  const double warmup = job_.training.kl_warmup * static_cast<double>(job_.order.size());
  const double seen = course_.seen_in_stage(place);
  if (seen < warmup) objective.kl_weight *= seen / warmup;
  return objective;
}

BatchGradient::LoadedShard BatchGradient::load_shard(const StepPlace& place,
                                                     StepReport::Seconds& seconds) {
  const Batch& batch = *timed(seconds.data, [&] { return loader_->next(); });
  if (job_.on_shard) job_.on_shard(batch);
  for (const std::int64_t row : batch.not_finite) {
    not_finite_ = std::max(not_finite_, batch.indices[static_cast<std::size_t>(row)]);
  }
  return timed(seconds.forward, [&] {
    const at::Device device = job_.state.parameters().values().device();
    LoadedShard loaded{job_.observation.x(batch, noise_at(job_.training, place)).to(device),
                       job_.conditioning.c(batch), batch.indices,
                       static_cast<std::int64_t>(batch.not_finite.size())};
    if (loaded.c.defined()) loaded.c = loaded.c.to(device);
    if (loaded.not_finite > 0) keep_finite(loaded, batch);
    if (!first_scale_ && loaded.x.numel() > 0) first_scale_ = scale_of(loaded.x);
    if (rows_) loaded.loan = rows_->lend(loaded.indices, job_.state.parameters().values());
    return loaded;
  });
}

void BatchGradient::keep_finite(LoadedShard& loaded, const Batch& batch) {
  std::vector<std::int64_t> rows;
  loaded.indices.clear();
  for (std::int64_t row = 0; row < batch.count(); ++row) {
    if (std::binary_search(batch.not_finite.begin(), batch.not_finite.end(), row)) continue;
    rows.push_back(row);
    loaded.indices.push_back(batch.indices[static_cast<std::size_t>(row)]);
  }
  const torch::Tensor kept = torch::tensor(rows, torch::kLong).to(loaded.x.device());
  loaded.x = loaded.x.index_select(0, kept);
  if (loaded.c.defined()) loaded.c = loaded.c.index_select(0, kept);
}

// Means of the procedure's statistics over the whole batch, [L]: the shards' sums lie in a table
// whose other entries are zero, so that adding up the ranks' tables changes no bit.
torch::Tensor BatchGradient::batch_means(const std::vector<ShardRange>& plan,
                                         const std::deque<LoadedShard>& loaded,
                                         const Objective& objective) {
  const std::int64_t columns = job_.procedure.statistics(objective);
  torch::Tensor table =
      torch::zeros({static_cast<std::int64_t>(plan.size()), columns + 1}, torch::kDouble);
  auto next = loaded.begin();
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (!is_mine(plan[i])) continue;
    const LoadedShard& shard = *next++;
    if (shard.indices.empty()) continue;
    torch::Tensor row = table[static_cast<std::int64_t>(i)];
    row.narrow(0, 0, columns)
        .copy_(job_.procedure.batch_statistics(shard.shard(), objective)
                   .sum(0, false, torch::kDouble));
    row[columns] = static_cast<double>(shard.indices.size());
  }
  job_.comm.all_reduce(table, Reduction::kSum);
  const torch::Tensor sums = table.sum(0);
  return sums.narrow(0, 0, columns) / sums[columns].clamp_min(1);
}

// Adds the gradient of a shard to the flat gradient. Its sums: of its figures, and what is counted.
torch::Tensor BatchGradient::compute_shard(const LoadedShard& loaded, const StepPlace& place,
                                           const Objective& objective,
                                           StepReport::Seconds& seconds) {
  torch::Tensor sums =
      torch::zeros({static_cast<std::int64_t>(figures_) + kBookkeeping}, torch::kDouble);
  double* sum = sums.data_ptr<double>();
  double* behind = sum + figures_;
  behind[kNotFinite] = static_cast<double>(loaded.not_finite);
  behind[kCount] = static_cast<double>(loaded.indices.size());
  if (loaded.indices.empty()) return sums;
  const Terms terms = timed(seconds.forward, [&] {
    return job_.procedure.terms(loaded.shard(), noise_at(job_.training, place), objective);
  });
  timed(seconds.backward, [&] {
    terms.objective.sum().neg().backward();
    if (rows_ && !rows_->collect(loaded.loan)) behind[kBadRowGradients] = 1;
  });
  const std::vector<torch::Tensor> row = terms.row();
  for (std::size_t i = 0; i < figures_; ++i) sum[i] = sum_of(row[i]);
  return sums;
}

}  // namespace elbow
