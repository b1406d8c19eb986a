#include "trainer/training/batches.h"

#include <algorithm>

namespace elbow {

Course::Course(std::int64_t samples, const TrainingOptions& training, std::size_t stages)
    : samples_(samples), batch_(training.batch), first_epochs_({0}) {
  const std::int64_t later = training.later_epochs > 0 ? training.later_epochs : training.epochs;
  for (std::size_t stage = 0; stage < stages; ++stage) {
    first_epochs_.push_back(first_epochs_.back() + (stage == 0 ? training.epochs : later));
  }
}

std::int64_t Course::stage_begin(std::int64_t stage) const {
  return steps_per_epoch() * first_epoch(stage);
}

std::int64_t Course::stage_samples(std::int64_t stage) const {
  return samples_ * (first_epoch(stage + 1) - first_epoch(stage));
}

double Course::seen_in_stage(const StepPlace& place) const {
  const std::int64_t before = samples_ * (place.epoch - first_epoch(place.stage)) + place.begin;
  return static_cast<double>(before) + 0.5 * static_cast<double>(place.size());
}

bool Course::holds(std::int64_t stage, std::int64_t step) const {
  return stage >= 0 && stage < stages() && step >= stage_begin(stage) &&
         step <= stage_begin(stage + 1);
}

bool Course::continues(const Course& before, std::int64_t stage) const {
  return std::equal(first_epochs_.begin(), first_epochs_.begin() + stage + 1,
                    before.first_epochs_.begin());
}

StepPlace Course::at(std::int64_t step) const {
  StepPlace place;
  place.epoch = step / steps_per_epoch();
  while (place.epoch >= first_epoch(place.stage + 1)) ++place.stage;
  place.begin = step % steps_per_epoch() * batch_;
  place.end = std::min(place.begin + batch_, samples_);
  return place;
}

const EpochOrder& CurrentEpoch::order(std::int64_t epoch) {
  if (!epoch_order_ || epoch_ != epoch) {
    epoch_order_.emplace(order_.epoch(static_cast<std::uint32_t>(epoch)));
    epoch_ = epoch;
  }
  return *epoch_order_;
}

RankShards::RankShards(const Order& order, const Course& course, const TrainingOptions& options,
                       int rank, int world_size, std::int64_t first_step)
    : epoch_(order),
      course_(course),
      options_(options),
      rank_(rank),
      world_size_(world_size),
      step_(first_step) {}

void RankShards::begin_step() {
  place_ = course_.at(step_++);
  const std::int64_t shards = shard_count(options_, place_.size(), world_size_);
  for (const ShardRange& shard : plan_batch(place_.size(), shards, world_size_)) {
    if (shard.rank == rank_ && shard.size() > 0) shards_.push_back(shard);
  }
}

std::optional<std::vector<std::int64_t>> RankShards::next() {
  while (shards_.empty()) {
    if (step_ >= course_.steps()) return std::nullopt;
    begin_step();
  }
  const ShardRange shard = shards_.front();
  shards_.pop_front();
  const EpochOrder& order = epoch_.order(place_.epoch);
  std::vector<std::int64_t> indices;
  for (std::int64_t i = shard.begin; i < shard.end; ++i) {
    indices.push_back(order.at(place_.begin + i));
  }
  return indices;
}

}  // namespace elbow
