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

DataSet open_labels(const std::string& spec, const DataSet& data) {
  if (spec.empty()) {
    throw ConfigError(
        "--labels FILE:/path is missing: the model is conditioned on the labels of its samples");
  }
  DataSet labels = DataSet::open({spec}, RowKind::kLabels);
  if (labels.size() != data.size()) {
    throw DataError(fmt::format("{} holds {} labels for the {} samples of {}", labels.name(),
                                labels.size(), data.size(), data.name()));
  }
  return labels;
}

}  // namespace elbow
