// The figures of a whole data set, exact in their bookkeeping: every sample exactly once, the same
// bits at any number of ranks.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/options.h"
#include "data/data_set.h"
#include "trainer/comm/communicator.h"
#include "trainer/evaluation/blocks.h"
#include "trainer/model/conditioning.h"
#include "trainer/model/observation.h"
#include "trainer/model/procedure.h"

namespace elbow {

struct EvaluationOptions {
  std::int64_t samples = 100;            // K: draws of z an image for log p(x)
  std::int64_t validation_samples = 10;  // the same during training, where the ELBO is what counts
  std::int64_t block = 256;              // images computed at a time, whole, by one rank
  std::string every = "1 epoch";         // of the validation during training
  std::int64_t patience = 0;  // validations without a better ELBO before stopping; 0: never
  bool marginal = false;      // see Estimation
};

void declare(OptionTable& table, EvaluationOptions& options);

// Nats per sample, means over the images. NaN where one has no meaning for the model.
struct Figures {
  std::int64_t count = 0;
  std::int64_t samples = 0;  // K
  double elbo = 0;
  double reconstruction = 0;
  double kl = 0;
  double log_likelihood = 0;                      // of x, or of x given c; elbo is a bound on it
  bool given_c = false;                           // which of both: the model is conditioned on c
  double standard_error = 0;                      // of the mean log-likelihood, over images
  double monte_carlo_error = 0;                   // of the mean log-likelihood, from the draws of z
  double effective_sample_size = 0;               // mean over the images, out of K
  std::vector<std::pair<OwnFigure, double>> own;  // see Procedure::own_figures
  std::string missing_reason;                     // why a figure has no meaning; "" where all have
  std::vector<std::int64_t> skipped;              // the first of the samples left out as not finite
  std::int64_t skipped_count = 0;
};

// Receives the samples' figures in order, a block at a time (rank 0 only); NaN for a sample that
// was left out as not finite, and for a figure that has no meaning.
using ImageSink = std::function<void(std::span<const std::int64_t> indices, const BlockFigures&)>;
// Told after each round how many images are done (rank 0 only).
using EvaluationProgress = std::function<void(std::int64_t done)>;

inline const Conditioning kNoCondition;

struct EvaluationJob {
  Communicator& comm;
  Procedure& procedure;
  const Observation& observation;
  DataSet& data;
  SampleRange range;
  EvaluationOptions options;
  std::uint64_t seed = 1;
  bool skip_not_finite = false;
  ImageSink sink = nullptr;
  EvaluationProgress progress = nullptr;
  // What a conditioned model is given: a row of labels for each row of `data`.
  const Conditioning& conditioning = kNoCondition;
  const DataSet* labels = nullptr;
  // The samples' own parameters, [B, Procedure::row_width()], of those that were trained on: called
  // on whichever rank computes them. Empty where there are none, or samples are new to the model.
  std::function<torch::Tensor(std::span<const std::int64_t>)> rows = nullptr;
};

// Collective; every rank gets the same figures. Blocks of `options.block` samples go round the
// ranks, each computed at a shape that depends on the range alone; sums are taken in double, in the
// order of the range. Memory grows neither with the range nor with K. A sample with a NaN or an
// infinity is an error on all ranks (SharedError, naming it) unless `skip_not_finite`, and then
// where no other is left.
Figures evaluate(const EvaluationJob& job);

// evaluation.json: the figures, null where one has no meaning with the reason under "about". For a
// model conditioned on c there is log_likelihood_given_c in the place of log_likelihood, and
// bits_per_dim_given_c.
nlohmann::ordered_json to_json(const Figures& figures, const Observation& observation,
                               nlohmann::ordered_json about);

}  // namespace elbow
