#include "trainer/training/batches.h"

#include <algorithm>

namespace elbow {

StepPlace Course::at(std::int64_t step) const {
  StepPlace place;
  place.epoch = step / steps_per_epoch();
  place.begin = step % steps_per_epoch() * batch_;
  place.end = std::min(place.begin + batch_, samples_);
  return place;
}

RankShards::RankShards(const Order& order, const Course& course, const TrainingOptions& options,
                       int rank, int world_size, std::int64_t first_step)
    : order_(order),
      course_(course),
      options_(options),
      rank_(rank),
      world_size_(world_size),
      step_(first_step) {}

void RankShards::begin_step() {
  place_ = course_.at(step_++);
  if (place_.epoch != epoch_) {
    epoch_ = place_.epoch;
    epoch_order_.emplace(order_.epoch(epoch_));
  }
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
  std::vector<std::int64_t> indices;
  for (std::int64_t i = shard.begin; i < shard.end; ++i) {
    indices.push_back(epoch_order_->at(place_.begin + i));
  }
  return indices;
}

}  // namespace elbow
