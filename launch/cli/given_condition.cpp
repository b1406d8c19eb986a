#include "launch/cli/given_condition.h"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace elbow {
namespace {

constexpr std::size_t kMostNamed = 20;

}  // namespace

void require_condition(const std::vector<double>& given, const Conditioning& conditioning) {
  if (conditioning.size() == 0) {
    if (given.empty()) return;
    throw ConfigError("--condition: the model is conditioned on nothing; leave it out");
  }
  if (given.empty()) {
    if (conditioning.is_classes()) return;
    throw ConfigError(
        fmt::format("--condition is missing: the model is conditioned on {}, for example "
                    "--condition 0.5,1",
                    conditioning.summary()));
  }
  if (conditioning.is_classes()) {
    const double label = given.front();
    const std::vector<std::int64_t> met = conditioning.met();
    const bool known = label >= 0 && label < static_cast<double>(conditioning.size()) &&
                       label == std::floor(label);
    if (given.size() != 1 || !known) {
      throw ConfigError(fmt::format("--condition {}: the model knows the classes 0 to {}",
                                    fmt::join(given, ","), conditioning.size() - 1));
    }
    if (std::binary_search(met.begin(), met.end(), static_cast<std::int64_t>(label))) return;
    const std::string named =
        fmt::format("{}{}", fmt::join(std::span(met).first(std::min(met.size(), kMostNamed)), ", "),
                    met.size() > kMostNamed ? ", ..." : "");
    throw ConfigError(fmt::format(
        "--condition {}: the model was trained on no sample of this class, but on those of {}",
        label, named));
  }
  if (static_cast<std::int64_t>(given.size()) == conditioning.size()) return;
  throw ConfigError(fmt::format("--condition {}: the model is conditioned on {}, and {} given",
                                fmt::join(given, ","), conditioning.summary(),
                                given.size() == 1 ? "1 is" : fmt::format("{} are", given.size())));
}

torch::Tensor labels_of(std::span<const std::int64_t> indices, const std::vector<double>& given,
                        const Conditioning& conditioning) {
  if (conditioning.size() == 0) return {};
  const auto count = static_cast<std::int64_t>(indices.size());
  if (!given.empty()) {
    const torch::Tensor row = torch::tensor(given, torch::kDouble).unsqueeze(0);
    return row.expand({count, row.size(1)}).contiguous();
  }
  const std::vector<std::int64_t> met = conditioning.met();
  torch::Tensor classes = torch::empty({count, 1}, torch::kDouble);
  auto* value = classes.data_ptr<double>();
  for (const std::int64_t index : indices) {
    *value++ = static_cast<double>(met[static_cast<std::size_t>(index) % met.size()]);
  }
  return classes;
}

}  // namespace elbow
