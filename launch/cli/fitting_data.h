// Data given to a trained model.
#pragma once

#include "data/data_set.h"
#include "trainer/model/observation.h"

namespace elbow {

// Throws DataError unless the rows have the shape and type that the model was trained on.
void require_fitting(const DataSet& data, const Observation& observation);

}  // namespace elbow
