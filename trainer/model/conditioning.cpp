#include "trainer/model/conditioning.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "base/error.h"
#include "base/json_input.h"
#include "base/text.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostEntries = 65536;

// `who` is the sample that has the label.
template <typename Who>
std::int64_t class_of(double label, std::int64_t classes, const Who& who) {
  if (label >= 0 && label < static_cast<double>(classes) && label == std::floor(label)) {
    return static_cast<std::int64_t>(label);
  }
  throw DataError(
      fmt::format("{} has the label {}, but the model knows the classes 0 to {}; with labels that "
                  "are no classes use model.condition = 'values'",
                  who(), label, classes - 1));
}

}  // namespace

Conditioning Conditioning::classes(std::vector<std::int64_t> counts) {
  if (std::accumulate(counts.begin(), counts.end(), std::int64_t{0}) == 0) {
    throw DataError("no sample has a class");
  }
  Conditioning conditioning;
  conditioning.counts_ = std::move(counts);
  return conditioning;
}

Conditioning Conditioning::values(std::vector<double> mean, std::vector<double> deviation) {
  Conditioning conditioning;
  conditioning.mean_ = std::move(mean);
  conditioning.deviation_ = std::move(deviation);
  for (double& deviation_of_one : conditioning.deviation_) {
    if (!(deviation_of_one > 0)) deviation_of_one = 1;
  }
  return conditioning;
}

std::int64_t Conditioning::size() const {
  return static_cast<std::int64_t>(is_classes() ? counts_.size() : mean_.size());
}

std::vector<std::int64_t> Conditioning::met() const {
  std::vector<std::int64_t> classes;
  for (std::size_t k = 0; k < counts_.size(); ++k) {
    if (counts_[k] > 0) classes.push_back(static_cast<std::int64_t>(k));
  }
  return classes;
}

torch::Tensor Conditioning::log_frequency() const {
  const torch::Tensor counts = torch::tensor(counts_, torch::kDouble);
  return (counts / counts.sum()).log();
}

torch::Tensor Conditioning::c(const Batch& batch) const {
  if (size() == 0) return {};
  const std::int64_t expected = is_classes() ? 1 : size();
  if (static_cast<std::int64_t>(batch.labels.size()) != batch.count() * expected) {
    throw DataError(fmt::format("the model is conditioned on {}, but a sample has {}",
                                counted(expected, "number"),
                                counted(static_cast<std::int64_t>(batch.labels.size()) /
                                            std::max<std::int64_t>(1, batch.count()),
                                        "label")));
  }
  torch::Tensor c = torch::zeros({batch.count(), size()}, torch::kFloat);
  auto rows = c.accessor<float, 2>();
  for (std::int64_t row = 0; row < batch.count(); ++row) {
    const double* labels = batch.labels.data() + row * expected;
    // Whether a sample that is not finite stops the run is not for this place to decide.
    if (std::binary_search(batch.not_finite.begin(), batch.not_finite.end(), row)) continue;
    if (is_classes()) {
      const auto who = [&] {
        return fmt::format("sample {}", batch.indices[static_cast<std::size_t>(row)]);
      };
      rows[row][class_of(labels[0], size(), who)] = 1;
      continue;
    }
    for (std::int64_t i = 0; i < expected; ++i) {
      const auto at = static_cast<std::size_t>(i);
      rows[row][i] = static_cast<float>((labels[i] - mean_[at]) / deviation_[at]);
    }
  }
  return c;
}

torch::Tensor Conditioning::c(const torch::Tensor& labels) const {
  const torch::Tensor rows = labels.to(torch::kCPU, torch::kDouble).contiguous();
  Batch batch;
  batch.indices.resize(static_cast<std::size_t>(rows.size(0)));
  std::iota(batch.indices.begin(), batch.indices.end(), 0);
  const std::span<const double> values(rows.const_data_ptr<double>(),
                                       static_cast<std::size_t>(rows.numel()));
  batch.labels.assign(values.begin(), values.end());
  return c(batch);
}

std::string Conditioning::summary() const {
  if (size() == 0) return "";
  return is_classes() ? fmt::format("{} classes", size()) : counted(size(), "value");
}

Json Conditioning::to_json() const {
  if (is_classes()) return {{"classes", counts_}};
  if (size() > 0) return {{"mean", mean_}, {"deviation", deviation_}};
  return nullptr;
}

Conditioning Conditioning::from_json(const Json& json) {
  if (json.is_null()) return {};
  try {
    if (json.contains("classes")) {
      auto counts = json.at("classes").get<std::vector<std::int64_t>>();
      const bool sound = counts.size() <= kMostEntries &&
                         std::all_of(counts.begin(), counts.end(), [](std::int64_t count) {
                           return count >= 0 && count < (std::int64_t{1} << 48);
                         });
      if (!sound) throw CheckpointError("model.json: 'classes' holds impossible counts");
      return classes(std::move(counts));
    }
    auto mean = json.at("mean").get<std::vector<double>>();
    auto deviation = json.at("deviation").get<std::vector<double>>();
    if (mean.empty() || mean.size() != deviation.size() || mean.size() > kMostEntries) {
      throw CheckpointError("model.json: 'condition' has means and deviations that do not match");
    }
    return values(std::move(mean), std::move(deviation));
  } catch (const Json::exception& error) {
    throw CheckpointError(fmt::format("model.json: 'conditioning': {}", json_problem(error)));
  } catch (const DataError& error) {
    throw CheckpointError(fmt::format("model.json: 'condition': {}", error.what()));
  }
}

std::string likelihood_key(const std::string& figure, bool given_c) {
  return given_c ? figure + "_given_c" : figure;
}

std::string likelihood_text(bool given_c) { return given_c ? "log p(x given c)" : "log p(x)"; }

}  // namespace elbow
