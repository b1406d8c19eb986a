#include "launch/cli/samples_of_run.h"

#include <memory>

#include "base/error.h"
#include "launch/cli/configuration.h"
#include "trainer/training/training_set.h"

namespace elbow {

SamplesOfRun samples_of_run(const RunPaths& paths, const SavedModel& saved, RunPart part) {
  const Configuration configuration = stored_configuration(paths.configuration());
  const auto set = std::make_shared<TrainingSet>(
      configuration.data, static_cast<std::uint64_t>(configuration.training.seed));
  if (set->fingerprint() != saved.record.data_fingerprint) {
    throw DataError(fmt::format(
        "{} is not what the run in {} was trained on: its content differs; name the data by --data",
        set->images().name(), paths.root.string()));
  }
  const auto copy = [](const DataSet* labels) {
    return labels != nullptr ? std::optional(*labels) : std::nullopt;
  };
  if (part == RunPart::kHeldOut && set->has_validation()) {
    return {{set->validation_images(), copy(set->validation_labels()), std::nullopt},
            {set->validation_count(),
             [set](std::int64_t i) { return set->validation_range().index_of(i); }}};
  }
  return {
      {set->images(), copy(set->labels()), std::nullopt},
      {set->split().training_count(), [set](std::int64_t i) { return set->split().training(i); }}};
}

}  // namespace elbow
