// Sums over some steps, of which means are made; they are carried through checkpoints.
#pragma once

#include <cstddef>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/figure.h"
#include "trainer/training/job.h"

namespace elbow {

// Sums over samples that entered an update, of each figure of `kinds`; NaN for what has no meaning
// for the model.
class StepSums {
 public:
  explicit StepSums(const std::vector<FigureKind>& kinds) : sums_(kinds.size(), 0.0) {}
  // What to_json() wrote. A figure that it does not name, being newer, is NaN. Throws
  // CheckpointError where it is none.
  StepSums(const std::vector<FigureKind>& kinds, const nlohmann::ordered_json& json);

  void add(const StepReport& report);

  double count() const { return count_; }
  double mean(std::size_t figure) const { return sums_[figure] / count_; }

  // By name; NaN is null.
  nlohmann::ordered_json to_json(const std::vector<FigureKind>& kinds) const;

 private:
  double count_ = 0;
  std::vector<double> sums_;
};

}  // namespace elbow
