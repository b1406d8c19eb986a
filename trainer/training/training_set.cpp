#include "trainer/training/training_set.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <span>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "trainer/comm/together.h"
#include "trainer/model/model.h"

namespace elbow {
namespace {

constexpr std::int64_t kLabelsAtOnce = 1024;

std::int64_t count_held_out(const DataOptions& options, const DataSet& images) {
  return validation_is_file(options) ? 0 : held_out_count(options.validation, images.size());
}

std::optional<DataSet> open_validation(const DataOptions& options, const DataSet& images,
                                       const Split& split) {
  if (!validation_is_file(options)) {
    return split.held_out_count() == 0 ? std::nullopt : std::optional(images);
  }
  DataSet validation = DataSet::open({options.validation});
  require_same_rows(validation, {images.row_shape(), images.type()});
  return validation;
}

// Found by rank 0, and told to the others.
StoredRows share_rows(Communicator& comm, TrainingSet& set) {
  const Split& split = set.split();
  StoredRows rows{set.images().row_shape(), set.images().type()};
  together(comm, [&] {
    if (comm.rank() != 0) return;
    rows = stored_rows(set.images(), split.training_count(),
                       [&](std::int64_t i) { return split.training(i); });
  });
  const ValueRange range = rows.range.value_or(ValueRange{});
  torch::Tensor found =
      torch::tensor({static_cast<double>(rows.white), range.low, range.high}, torch::kDouble);
  comm.broadcast(found, 0);
  rows.white = static_cast<int>(found[0].item<double>());
  rows.range = {found[1].item<double>(), found[2].item<double>()};
  return rows;
}

// Statistics as a tensor [2, D], mean and deviation, for the way from rank 0 to the others.
VariableStatistics share_statistics(Communicator& comm, TrainingSet& set) {
  VariableStatistics statistics;
  together(comm, [&] {
    if (comm.rank() != 0) return;
    log::info("computing mean and deviation of each variable over {} samples",
              human_count(set.split().training_count()));
    statistics = compute_statistics(set.images(), set.split().training_count(),
                                    [&](std::int64_t i) { return set.split().training(i); });
  });
  const std::int64_t variables = set.images().row_elements();
  torch::Tensor packed = torch::zeros({2, variables}, torch::kDouble);
  double* values = packed.data_ptr<double>();
  if (comm.rank() == 0) {
    std::copy(statistics.mean.begin(), statistics.mean.end(), values);
    std::copy(statistics.deviation.begin(), statistics.deviation.end(), values + variables);
  }
  comm.broadcast(packed, 0);
  statistics.mean.assign(values, values + variables);
  statistics.deviation.assign(values + variables, values + 2 * variables);
  return statistics;
}

// Calls `visit` with the labels [width] of each training sample in turn.
void visit_labels(TrainingSet& set, const std::function<void(std::span<const double>)>& visit) {
  const DataSet& labels = *set.labels();
  const auto width = static_cast<std::size_t>(labels.row_elements());
  std::vector<std::int64_t> indices;
  std::vector<double> values;
  const std::int64_t count = set.split().training_count();
  for (std::int64_t begin = 0; begin < count; begin += kLabelsAtOnce) {
    const std::int64_t end = std::min(count, begin + kLabelsAtOnce);
    indices.clear();
    for (std::int64_t i = begin; i < end; ++i) indices.push_back(set.split().training(i));
    values.resize(indices.size() * width);
    labels.read(indices, values);
    for (std::size_t row = 0; row < indices.size(); ++row) {
      visit(std::span(values).subspan(row * width, width));
    }
  }
}

// Labels that are numbers of something else make classes of which nearly all are empty.
void require_numbered(const Conditioning& classes, const std::string& labels) {
  constexpr std::int64_t kManyClasses = 100;
  constexpr std::int64_t kMostPerMet = 10;
  const std::int64_t met = std::ssize(classes.met());
  if (met == classes.size()) return;
  const std::string found =
      fmt::format("{} has {} among the samples to train on, numbered up to {}", labels,
                  met == 1 ? "1 class" : fmt::format("{} classes", met), classes.size() - 1);
  if (classes.size() > kManyClasses && classes.size() > kMostPerMet * met) {
    throw DataError(fmt::format("{}: number them from 0 to {}", found, met - 1));
  }
  log::warning("{}: of the other {} the model learns nothing", found, classes.size() - met);
}

Conditioning count_classes(TrainingSet& set) {
  constexpr double kMostClasses = 65536;
  std::vector<std::int64_t> counts;
  if (set.labels()->row_elements() != 1) {
    throw ConfigError(fmt::format(
        "option model.condition: {} holds {} numbers a sample, and classes are one; choose a data "
        "set of one, or model.condition = 'values'",
        set.labels()->name(), set.labels()->row_elements()));
  }
  visit_labels(set, [&](std::span<const double> label) {
    if (!std::isfinite(label[0])) return;  // data.nan says what such a sample does
    if (!(label[0] >= 0 && label[0] < kMostClasses && label[0] == std::floor(label[0]))) {
      throw DataError(
          fmt::format("{} holds the label {}, which is no class 0, 1, 2 ...; for such labels use "
                      "model.condition = 'values'",
                      set.labels()->name(), label[0]));
    }
    const auto index = static_cast<std::size_t>(label[0]);
    if (index >= counts.size()) counts.resize(index + 1, 0);
    ++counts[index];
  });
  Conditioning classes = Conditioning::classes(std::move(counts));
  require_numbered(classes, set.labels()->name());
  return classes;
}

Conditioning standardise_labels(TrainingSet& set) {
  const auto width = static_cast<std::size_t>(set.labels()->row_elements());
  std::vector<double> mean(width, 0.0);
  std::vector<double> squares(width, 0.0);  // Welford's recurrence
  double count = 0;
  visit_labels(set, [&](std::span<const double> label) {
    const auto finite = [](double value) { return std::isfinite(value); };
    if (!std::all_of(label.begin(), label.end(), finite)) return;
    ++count;
    for (std::size_t i = 0; i < width; ++i) {
      const double difference = label[i] - mean[i];
      mean[i] += difference / count;
      squares[i] += difference * (label[i] - mean[i]);
    }
  });
  if (count == 0) {
    throw DataError(fmt::format("each row of {} holds a NaN or an infinity: no sample has a label",
                                set.labels()->name()));
  }
  for (double& square : squares) square = std::sqrt(square / count);
  return Conditioning::values(std::move(mean), std::move(squares));
}

}  // namespace

TrainingSet::TrainingSet(const DataOptions& options, std::uint64_t seed)
    : images_(DataSet::open(options.train)),
      split_(seed, images_.size(), count_held_out(options, images_)),
      order_(split_, images_.layout(), seed, options.window),
      validation_images_(open_validation(options, images_, split_)) {
  // Two windows of the order, so that each chunk is decoded once an epoch.
  CacheLimits cache;
  cache.rows = std::max(cache.rows, 2 * options.window);
  images_.set_cache(cache);
  if (!options.labels.empty()) labels_.emplace(open_labels(options.labels, images_));
  if (!validation_is_file(options)) {
    validation_labels_ = validation_images_ ? labels_ : std::nullopt;
  } else if (!options.validation_labels.empty()) {
    validation_labels_.emplace(open_labels(options.validation_labels, *validation_images_));
  }
}

SampleRange TrainingSet::validation_range() const {
  if (split_.held_out_count() == 0) {
    return {validation_images_->size(), [](std::int64_t i) { return i; }};
  }
  return {split_.held_out_count(), [this](std::int64_t i) { return split_.held_out(i); }};
}

std::int64_t TrainingSet::validation_count() const {
  return has_validation() ? validation_range().count : 0;
}

std::string TrainingSet::fingerprint() const {
  std::string all;
  for (const auto& [name, fingerprint] : fingerprints()) all += fingerprint;
  return hash_hex(all);
}

Facts TrainingSet::fingerprints() const {
  Facts all = {{"the fingerprint of data.train", images_.fingerprint()}};
  const auto add = [&all](const char* option, const std::optional<DataSet>& data) {
    if (data) all.emplace_back(fmt::format("the fingerprint of {}", option), data->fingerprint());
  };
  add("data.labels", labels_);
  add("data.validation", validation_images_);
  add("data.validation_labels", validation_labels_);
  return all;
}

Observation make_observation(Communicator& comm, TrainingSet& set,
                             const ObservationOptions& options, const ModelOptions& model) {
  const StoredRows rows = share_rows(comm, set);
  bool statistics_needed = false;
  together(comm, [&] {
    statistics_needed = Observation::needs_statistics(options, rows, model.likelihood);
  });
  std::optional<VariableStatistics> statistics;
  if (statistics_needed) statistics = share_statistics(comm, set);
  std::optional<Observation> observation;
  together(comm,
           [&] { observation.emplace(options, rows, model.likelihood, statistics, model.levels); });
  return *observation;
}

void require_alike_validation(Communicator& comm, TrainingSet& set, const Observation& observation,
                              const DataOptions& options) {
  together(comm, [&] {
    if (comm.rank() != 0 || !validation_is_file(options)) return;
    require_same_scale(set.validation_images(), observation.rows(), mismatch_of(options.mismatch));
  });
}

Conditioning make_conditioning(Communicator& comm, TrainingSet& set, const ModelOptions& model) {
  std::string condition;
  std::string told;
  together(comm, [&] {
    condition = resolved_condition(model);
    if (condition == "none") return;
    if (set.labels() == nullptr || (set.has_validation() && set.validation_labels() == nullptr)) {
      throw ConfigError(fmt::format(
          "option {} is missing: model.condition is '{}', and conditions come from labels",
          set.labels() == nullptr ? "data.labels" : "data.validation_labels", condition));
    }
    if (comm.rank() != 0) return;
    told = (condition == "classes" ? count_classes(set) : standardise_labels(set)).to_json().dump();
  });
  if (condition == "none") return {};
  return Conditioning::from_json(nlohmann::ordered_json::parse(broadcast_text(comm, told, 0)));
}

}  // namespace elbow
