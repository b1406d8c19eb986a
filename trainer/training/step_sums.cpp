#include "trainer/training/step_sums.h"

#include <limits>

#include "trainer/run/versioned_json.h"

namespace elbow {
namespace {

constexpr const char* kCount = "count";

}  // namespace

StepSums::StepSums(const std::vector<FigureKind>& kinds, const nlohmann::ordered_json& json) {
  const StoredObject stored(json, "the checkpoint's manifest.json", "record: ");
  count_ = stored.number(kCount);
  for (const FigureKind& kind : kinds) {
    sums_.push_back(stored.has(kind.name) ? stored.number(kind.name)
                                          : std::numeric_limits<double>::quiet_NaN());
  }
}

void StepSums::add(const StepReport& report) {
  const auto samples = static_cast<double>(report.count);
  count_ += samples;
  for (std::size_t i = 0; i < report.figures.size(); ++i) sums_[i] += report.figures[i] * samples;
}

nlohmann::ordered_json StepSums::to_json(const std::vector<FigureKind>& kinds) const {
  nlohmann::ordered_json json = {{kCount, count_}};
  for (std::size_t i = 0; i < kinds.size(); ++i) json[kinds[i].name] = sums_[i];
  return json;
}

}  // namespace elbow
