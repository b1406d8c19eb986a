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

std::optional<std::vector<std::int64_t>> RankBatches::next() {
  if (step_ >= course_.steps()) return std::nullopt;
  const StepPlace place = course_.at(step_++);
  if (place.epoch != epoch_) {
    epoch_ = place.epoch;
    epoch_order_.emplace(order_.epoch(epoch_));
  }
  std::vector<std::int64_t> indices;
  for (const ShardRange& shard : plan_batch(place.size(), world_size_)) {
    if (shard.rank != rank_) continue;
    for (std::int64_t i = shard.begin; i < shard.end; ++i) {
      indices.push_back(epoch_order_->at(place.begin + i));
    }
  }
  return indices;
}

}  // namespace elbow
