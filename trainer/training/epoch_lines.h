// What stays to be read of a training: a line for each epoch, and for each validation within one.
//   epoch  3/20  ELBO 231.42 nats (KL 25.13)  validation ELBO 228.90 (best)
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/training/step_sums.h"

namespace elbow {

// Means over the epoch's samples, each at the step that it was part of. A validation that follows
// the end of an epoch is in the epoch's line, marked when it is the best so far.
class EpochLines {
 public:
  // `earlier`: what to_json() said where this session takes the run up; null without.
  EpochLines(std::vector<FigureKind> kinds, std::int64_t epochs,
             const nlohmann::ordered_json& earlier);

  // Each returns the line that is complete now, "" while none is. Of epochs without a validation
  // that take less than a second some have no line.
  std::string step(const StepReport& report, bool epoch_ended);
  std::string validation(const ValidationReport& report);
  std::string finish();

  nlohmann::ordered_json to_json() const { return sums_.to_json(kinds_); }

 private:
  std::string take_ended();

  std::vector<FigureKind> kinds_;
  std::int64_t epochs_;
  StepSums sums_;      // of the epoch so far
  std::string ended_;  // the line of an epoch whose validation may be to come
  std::chrono::steady_clock::time_point told_;
};

}  // namespace elbow
