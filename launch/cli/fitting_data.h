// Data given to a trained model.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "data/data_set.h"
#include "trainer/model/observation.h"
#include "trainer/run/saved_model.h"

namespace elbow {

// Throws DataError unless the rows have the shape and type that the model was trained on.
void require_fitting(const DataSet& data, const Observation& observation);

// A data set, and the labels beside it where the model needs them.
struct GivenData {
  DataSet data;
  std::optional<DataSet> labels;

  const DataSet* labels_or_null() const { return labels ? &*labels : nullptr; }
  std::string fingerprint() const;  // of both
};

// `data` and `labels` as on the command line. Throws ConfigError when labels are needed and none
// are named, DataError as require_fitting and open_labels.
GivenData open_data(const std::string& data, const std::string& labels,
                    const Observation& observation, bool needs_labels);

// Whether Procedure::condition() needs labels: a model conditioned on them, that does not read what
// it needs from x.
bool needs_labels(const SavedModel& model);

// Throws ConfigError naming `option` and the first of the samples that `data` does not hold.
void require_samples(std::span<const std::int64_t> indices, const DataSet& data,
                     const std::string& option);

}  // namespace elbow
