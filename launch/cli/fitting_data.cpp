#include "launch/cli/fitting_data.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace elbow {

void require_fitting(const DataSet& data, const Observation& observation) {
  const StoredRows& rows = observation.rows();
  if (data.row_shape() == rows.shape && data.type() == rows.type) return;
  throw DataError(fmt::format(
      "{} holds rows of shape {} and type {}; the model was trained on rows of shape {} and {}",
      data.name(), shape_text(data.row_shape()), data.stored_type(), shape_text(rows.shape),
      rows.type == ValueType::kUint8 ? "8-bit values" : "floating-point values"));
}

}  // namespace elbow
