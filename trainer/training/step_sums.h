// Sums over some steps, of which means are made; they are carried through checkpoints.
#pragma once

#include <nlohmann/json.hpp>

#include "trainer/training/job.h"

namespace elbow {

// Sums over samples that entered an update, in nats; NaN for what has no meaning for the model.
struct StepSums {
  double count = 0, objective = 0, elbo = 0, reconstruction = 0, kl = 0;

  void add(const StepReport& report);
};

// NaN is null.
nlohmann::ordered_json to_json(const StepSums& sums);
// Throws CheckpointError where it is none.
StepSums step_sums_from_json(const nlohmann::ordered_json& json);

}  // namespace elbow
