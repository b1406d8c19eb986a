// Data given to a trained model.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "data/data_set.h"
#include "trainer/comm/together.h"
#include "trainer/model/observation.h"
#include "trainer/run/saved_model.h"

namespace elbow {

// A data set, and the labels beside it.
struct GivenData {
  DataSet data;
  std::optional<DataSet> labels;        // that the model is given
  std::optional<DataSet> other_labels;  // that were named, though the model needs none

  const DataSet* labels_or_null() const { return labels ? &*labels : nullptr; }
  std::string fingerprint() const;  // of data and labels
  Facts facts() const;              // the fingerprint of each, for require_same
};

// `data` and `labels` as on the command line. Throws ConfigError when labels are needed and none
// are named, DataError as require_same_rows and open_labels.
GivenData open_data(const std::string& data, const std::string& labels,
                    const Observation& observation, bool needs_labels);

// Throws ConfigError naming `option` and the first of the samples that `data` does not hold.
void require_samples(std::span<const std::int64_t> indices, const DataSet& data,
                     const std::string& option);

}  // namespace elbow
