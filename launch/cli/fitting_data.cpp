#include "launch/cli/fitting_data.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

namespace elbow {

std::string GivenData::fingerprint() const {
  const std::string alone = data.fingerprint();
  return labels ? hash_hex(alone + labels->fingerprint()) : alone;
}

Facts GivenData::facts() const {
  Facts facts = {{"the fingerprint of the data", data.fingerprint()}};
  for (const auto& beside : {labels, other_labels}) {
    if (beside) facts.emplace_back("the fingerprint of the labels", beside->fingerprint());
  }
  return facts;
}

GivenData open_data(const std::string& data, const std::string& labels,
                    const Observation& observation, bool needs_labels) {
  GivenData given{DataSet::open({data}), std::nullopt, std::nullopt};
  require_same_rows(given.data, observation.rows());
  if (needs_labels && labels.empty()) {
    throw ConfigError(
        "--labels FILE:/path is missing: the model is conditioned on the labels of its samples");
  }
  if (!labels.empty()) {
    (needs_labels ? given.labels : given.other_labels).emplace(open_labels(labels, given.data));
  }
  return given;
}

void require_samples(std::span<const std::int64_t> indices, const DataSet& data,
                     const std::string& option) {
  for (const std::int64_t index : indices) {
    if (index >= 0 && index < data.size()) continue;
    throw ConfigError(fmt::format("{}: there is no sample {}; {} holds {}, numbered from 0 to {}",
                                  option, index, data.name(), human_count(data.size()),
                                  data.size() - 1));
  }
}

}  // namespace elbow
