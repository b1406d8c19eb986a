// What a model can be asked, whatever its procedure of training: the terms of a shard's objective,
// the figures of a block, a sample.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>
#include <torch/nn/module.h>

#include "base/figure.h"
#include "trainer/model/keyed_noise.h"
#include "trainer/model/network.h"

namespace elbow {

// Some samples of a batch, with their noise key.
struct Shard {
  torch::Tensor x;                        // [B, shape...], from Observation::x
  std::span<const std::int64_t> indices;  // [B], global sample indices
  torch::Tensor c = {};                   // [B, C], from Conditioning::c; undefined without
  // [B, row_width()], the samples' own parameters, whose gradient is taken. Undefined for a model
  // that has none, and in an evaluation of samples that it was not trained on.
  torch::Tensor rows = {};
};

// What a step maximises (Kingma & Welling 2014; IWAE: Burda et al. 2015; DReG: Tucker et al. 2018).
struct Objective {
  enum class Kind { kElbo, kIwae, kDreg };

  std::int64_t draws = 1;  // of z a sample: averaged by the ELBO, inside the logarithm of IWAE
  Kind kind = Kind::kElbo;
  double kl_weight = 1.0;  // of the ELBO's KL: beta, times the warm-up's share
  double free_bits = 0.0;  // nats a latent that cost nothing (Kingma et al. 2016)
  // [L], the means of Procedure::batch_statistics over the whole batch.
  torch::Tensor mean_kl = {};
};

// Per sample, [B], nats, differentiable. Figures are in the units of Observation::measure_text().
// One that has no meaning for a model is undefined.
struct Terms {
  torch::Tensor objective;  // what is maximised: the loss of a shard is minus its sum
  torch::Tensor elbo;       // reported beside it; equal to it for plain training
  torch::Tensor reconstruction;
  torch::Tensor kl;
  std::vector<torch::Tensor> own = {};  // what the model declares beside these

  // In the order of Procedure::training_figures().
  std::vector<torch::Tensor> row() const;
};

// Where every row of training figures has them.
inline constexpr std::size_t kObjectiveFigure = 0;
inline constexpr std::size_t kElboFigure = 1;

// How a block is evaluated.
struct Estimation {
  std::int64_t samples = 100;  // K: draws of z a sample
  bool marginal = false;       // log p(x) of a model conditioned on classes as well
};

// Per sample, [B], nats unless stated. A figure without meaning for a model is an empty vector.
struct BlockFigures {
  std::vector<double> elbo;
  std::vector<double> reconstruction;
  std::vector<double> kl;
  std::vector<double> log_likelihood;           // importance-sampled: an estimate, biased low
  std::vector<double> effective_sample_size;    // out of the number of draws
  std::vector<double> log_likelihood_variance;  // Monte Carlo, 1/ESS - 1/K, nats^2
  // What a model has to say beside these, by Procedure::own_figures(), in that order.
  std::vector<std::vector<double>> own;
};

// A figure that only some models have.
struct OwnFigure {
  std::string name;               // "log_joint"
  std::string what;               // "log p(x, c)", for a person
  std::string why_infinite = "";  // where its mean may be infinite
};

// What is shown of p(x | z).
enum class Show { kMean, kDraw };

// q(z | x) as it is told to other programs: [B, D] each.
struct Code {
  torch::Tensor mean;
  torch::Tensor deviation;  // undefined where codes are points
};

// Not thread-safe: one thread at a time per object. The parts a model consists of are its children
// modules, by name: networks, and others that may have parameters of their own.
class Procedure : public torch::nn::Module {
 public:
  // Throws ConfigError where the model cannot be trained towards `objective`.
  virtual void require_suitable(const Objective& /*objective*/) const {}

  // Stages of the training, one after the other; a name for each. The model is in the first one
  // until begin_stage() says otherwise, which may change which parameters require a gradient.
  virtual std::vector<std::string> stages() const { return {""}; }
  virtual void begin_stage(std::int64_t /*stage*/) {}
  // Whether the present stage is validated: not one before there is anything to encode a sample by.
  virtual bool is_validated() const { return true; }

  // The figures of a step, means over its samples: those of Terms, and what a model adds to them.
  virtual std::vector<FigureKind> training_figures() const;
  // Noise: Purpose::kPosterior by (index, draw).
  virtual Terms terms(const Shard& shard, const RunNoise& noise, const Objective& objective) = 0;

  // Figures of a sample whose means over the whole batch `objective` needs before its terms can be
  // had: how many (0 for most), and what they are, [B, that many]. Records no gradient.
  virtual std::int64_t statistics(const Objective& /*objective*/) const { return 0; }
  virtual torch::Tensor batch_statistics(const Shard& /*shard*/, const Objective& /*objective*/) {
    return {};
  }

  // K draws per sample, one draw of the whole block at a time, so that memory does not grow with K.
  // Noise: Purpose::kEvaluation by (index, draw). Records no gradient.
  virtual BlockFigures evaluate(const Shard& shard, const Estimation& estimation,
                                const RunNoise& noise) = 0;
  virtual std::vector<OwnFigure> own_figures(const Estimation& /*estimation*/) const { return {}; }
  // Why some of the usual figures are empty; "" where none is.
  virtual std::string missing_figures_reason() const { return ""; }

  // x [B, shape...] from the prior, one for each number in `indices`, given c where the model is
  // conditioned. Noise: Purpose::kSampling, draw 0 for z and 1 for x.
  virtual torch::Tensor sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                               const RunNoise& noise, Show show) = 0;

  // z of each sample. Throws ConfigError for a model that has no code, as the next three do.
  virtual Code encode(const Shard& shard) = 0;
  // What beside z a sample is decoded from, [B, C']: its c, or what the model makes of x instead.
  // Undefined for a model that knows nothing of the kind.
  virtual torch::Tensor condition(const Shard& shard) { return shard.c; }
  // Whether condition() looks at x alone, so that no labels are needed for it.
  virtual bool condition_from_x() const { return false; }
  // [B, shape...]: the mean of p(x | z), `condition` from condition().
  virtual torch::Tensor decode(const torch::Tensor& z, const torch::Tensor& condition) = 0;
  // [B, shape...]: the mean of p(x | z) at the code's mean of each sample.
  torch::Tensor reconstruct(const Shard& shard);

  // Numbers of a sample's own parameters, 0 for most models, and what they are before training:
  // [B, row_width()], from Purpose::kInitialisation by (index, draw 1).
  virtual std::int64_t row_width() const { return 0; }
  virtual torch::Tensor initial_rows(std::span<const std::int64_t> /*indices*/,
                                     const RunNoise& /*noise*/) const {
    return {};
  }
  // Brings rows [B, row_width()] that an optimiser has moved back to where they may be.
  virtual void project_rows(torch::Tensor& /*rows*/) const {}
  // Where wanted: mean [R] and covariance [R, R] of the rows of all samples that were trained on,
  // in double: at the end of each epoch, and before a validation.
  virtual bool wants_row_moments() const { return false; }
  virtual void take_row_moments(const torch::Tensor& /*mean*/,
                                const torch::Tensor& /*covariance*/) {}

  // Parameters that are set at each epoch's end, in closed form, rather than learned: fit() is told
  // the mean of BlockFigures::reconstruction over the training set.
  virtual bool is_fitted() const { return false; }
  virtual void fit(double /*mean_reconstruction*/) {}

  // For another program (docs/formats.md, "Export"): what the model does beside its parts. {} where
  // that is nothing.
  virtual nlohmann::ordered_json architecture() const;

  // The layers of all parts, and what they have learned beside.
  std::vector<LayerDescription> layers() const;
  virtual std::string summary() const = 0;  // one line for a person
};

}  // namespace elbow
