#include "trainer/training/step_sums.h"

#include <limits>

#include "base/error.h"

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
  const auto number = [&](const char* name) {
    const auto& value = json.at(name);
    return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
  };
  try {
    return {number("count"), number("objective"), number("elbo"), number("reconstruction"),
            number("kl")};
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError(fmt::format("the sums in the record of a checkpoint: {}", error.what()));
  }
}

}  // namespace elbow
