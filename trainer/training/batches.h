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
  std::int64_t stage = 0;
  std::int64_t epoch = 0;  // counted over all stages
  std::int64_t begin = 0;  // positions [begin, end) of the epoch's order
  std::int64_t end = 0;
  std::int64_t size() const { return end - begin; }
};

// Epochs of whole global batches; the last batch of an epoch is smaller when it must be. Stages
// follow one another, each with epochs of its own.
class Course {
 public:
  // `stages` of them: training.epochs for the first, training.later_epochs for each other one.
  Course(std::int64_t samples, const TrainingOptions& training, std::size_t stages = 1);

  std::int64_t samples() const { return samples_; }  // of an epoch
  std::int64_t steps_per_epoch() const { return (samples_ + batch_ - 1) / batch_; }
  std::int64_t epochs() const { return first_epochs_.back(); }  // of all stages
  std::int64_t steps() const { return steps_per_epoch() * epochs(); }
  std::int64_t total_samples() const { return samples_ * epochs(); }
  // Whether a training can be in this stage after so many steps.
  bool holds(std::int64_t stage, std::int64_t step) const;
  // Whether a training that is in this stage of `before` can go on along this course: the stages
  // before it are as they were.
  bool continues(const Course& before, std::int64_t stage) const;
  // The place of step 0 <= step < steps().
  StepPlace at(std::int64_t step) const;

  std::int64_t stages() const { return static_cast<std::int64_t>(first_epochs_.size()) - 1; }
  // The first step of a stage; steps() for the one behind the last.
  std::int64_t stage_begin(std::int64_t stage) const;
  std::int64_t stage_samples(std::int64_t stage) const;
  // Samples of its stage that have been seen at the middle of a step.
  double seen_in_stage(const StepPlace& place) const;

 private:
  std::int64_t first_epoch(std::int64_t stage) const {
    return first_epochs_[static_cast<std::size_t>(stage)];
  }

  std::int64_t samples_;
  std::int64_t batch_;
  std::vector<std::int64_t> first_epochs_;  // of each stage, and behind the last
};

// The order of the epoch that somebody is in; made anew when they enter another one.
class CurrentEpoch {
 public:
  explicit CurrentEpoch(const Order& order) : order_(order) {}
  const EpochOrder& order(std::int64_t epoch);

 private:
  const Order& order_;
  std::int64_t epoch_ = -1;
  std::optional<EpochOrder> epoch_order_;
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

  CurrentEpoch epoch_;
  Course course_;
  TrainingOptions options_;
  int rank_;
  int world_size_;
  std::int64_t step_;              // the next one to begin
  StepPlace place_;                // of the one begun last
  std::deque<ShardRange> shards_;  // of that one, left to deliver
};

}  // namespace elbow
