// The data of a training, opened: images, labels, what is held out, and the order of the rest.
#pragma once

#include <optional>

#include "data/data_set.h"
#include "data/options.h"
#include "data/order.h"
#include "data/split.h"
#include "trainer/comm/communicator.h"
#include "trainer/comm/together.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/model/conditioning.h"
#include "trainer/model/observation.h"
#include "trainer/model/options.h"

namespace elbow {

class TrainingSet {
 public:
  // Throws DataError naming file and data set, ConfigError for options that the data rule out.
  TrainingSet(const DataOptions& options, std::uint64_t seed);

  DataSet& images() { return images_; }
  // A row for each image; null without labels.
  const DataSet* labels() const { return labels_ ? &*labels_ : nullptr; }
  const DataSet* validation_labels() const {
    return validation_labels_ ? &*validation_labels_ : nullptr;
  }
  const Split& split() const { return split_; }
  const Order& order() const { return order_; }

  // The validation samples, read through handles of their own, since the training's reader thread
  // is the only one that may use images(). No data set when nothing is held out.
  bool has_validation() const { return validation_images_.has_value(); }
  DataSet& validation_images() { return *validation_images_; }
  SampleRange validation_range() const;
  std::int64_t validation_count() const;

  // A hash of images and labels: equal for equal data, wherever the files lie.
  std::string fingerprint() const;
  // The same for each of the data sets, by the option that names it.
  Facts fingerprints() const;

 private:
  DataSet images_;
  std::optional<DataSet> labels_;
  Split split_;
  Order order_;
  std::optional<DataSet> validation_images_;
  std::optional<DataSet> validation_labels_;
};

// How stored values become x, with the statistics it takes computed over the training samples. Rank
// 0 reads them and the others are told, so that they don't depend on the number of ranks.
// Collective.
Observation make_observation(Communicator& comm, TrainingSet& set,
                             const ObservationOptions& options, const ModelOptions& model);

// Collective. As require_same_scale, of validation samples that are data of their own.
void require_alike_validation(Communicator& comm, TrainingSet& set, const Observation& observation,
                              const DataOptions& options);

// What model.condition makes of the labels of the training samples, counted or averaged by rank 0
// as above. Collective. Throws on all ranks where labels are missing or cannot be meant.
Conditioning make_conditioning(Communicator& comm, TrainingSet& set, const ModelOptions& model);

}  // namespace elbow
