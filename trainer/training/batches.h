// The course of a training: which samples make up which step, as a function.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "data/order.h"
#include "trainer/training/plan.h"

namespace elbow {

// A step's place in the course.
struct StepPlace {
  std::int64_t epoch = 0;
  std::int64_t begin = 0;  // positions [begin, end) of the epoch's order
  std::int64_t end = 0;
  std::int64_t size() const { return end - begin; }
};

// Epochs of whole global batches; the last batch of an epoch is smaller when it must be.
class Course {
 public:
  Course(std::int64_t samples, std::int64_t batch, std::int64_t epochs)
      : samples_(samples), batch_(batch), epochs_(epochs) {}

  std::int64_t steps_per_epoch() const { return (samples_ + batch_ - 1) / batch_; }
  std::int64_t steps() const { return steps_per_epoch() * epochs_; }
  std::int64_t total_samples() const { return samples_ * epochs_; }
  // The place of step 0 <= step < steps().
  StepPlace at(std::int64_t step) const;

 private:
  std::int64_t samples_;
  std::int64_t batch_;
  std::int64_t epochs_;
};

// The shards that a rank computes, one after another through the whole course: what its loader
// reads. Empty ones are left out.
class RankShards {
 public:
  // From step `first_step` on.
  RankShards(const Order& order, const Course& course, const TrainingOptions& options, int rank,
             int world_size, std::int64_t first_step);

  // The global indices of the next shard's samples; nothing after the last.
  std::optional<std::vector<std::int64_t>> next();

 private:
  void begin_step();

  const Order& order_;
  Course course_;
  TrainingOptions options_;
  int rank_;
  int world_size_;
  std::int64_t step_;              // the next one to begin
  StepPlace place_;                // of the one begun last
  std::deque<ShardRange> shards_;  // of that one, left to deliver
  std::optional<EpochOrder> epoch_order_;
  std::int64_t epoch_ = -1;
};

}  // namespace elbow
