#include "trainer/training/step_sums.h"

#include "trainer/run/versioned_json.h"

namespace elbow {

void StepSums::add(const StepReport& report) {
  const auto samples = static_cast<double>(report.count);
  count += samples;
  objective += report.objective * samples;
  elbo += report.elbo * samples;
  reconstruction += report.reconstruction * samples;
  kl += report.kl * samples;
}

nlohmann::ordered_json to_json(const StepSums& sums) {
  return {{"count", sums.count},
          {"objective", sums.objective},
          {"elbo", sums.elbo},
          {"reconstruction", sums.reconstruction},
          {"kl", sums.kl}};
}

StepSums step_sums_from_json(const nlohmann::ordered_json& json) {
  const StoredObject sums(json, "the checkpoint's manifest.json", "record: ");
  return {sums.number("count"), sums.number("objective"), sums.number("elbo"),
          sums.number("reconstruction"), sums.number("kl")};
}

}  // namespace elbow
