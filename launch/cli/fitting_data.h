// Data given to a trained model.
#pragma once

#include <string>

#include "data/data_set.h"
#include "trainer/model/observation.h"

namespace elbow {

// Throws DataError unless the rows have the shape and type that the model was trained on.
void require_fitting(const DataSet& data, const Observation& observation);

// Labels beside `data`, for a model that is conditioned on them: a row for each of its rows. Throws
// ConfigError when `spec` is empty, DataError where the sizes differ.
DataSet open_labels(const std::string& spec, const DataSet& data);

}  // namespace elbow
