// The course of a training: which samples make up which step, as a function.
#pragma once

#include <cstdint>
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

// The global indices of the shards that a rank computes, step by step: what its loader reads.
class RankBatches {
 public:
  RankBatches(const Order& order, const Course& course, int rank, int world_size)
      : order_(order), course_(course), rank_(rank), world_size_(world_size) {}

  // Of the next step; nothing after the last.
  std::optional<std::vector<std::int64_t>> next();

 private:
  const Order& order_;
  Course course_;
  int rank_;
  int world_size_;
  std::int64_t step_ = 0;
  std::optional<EpochOrder> epoch_order_;
  std::int64_t epoch_ = -1;
};

}  // namespace elbow
