// The autoregressive contrast to latent-variable models: log p(x) = sum_i log p(x_i | x_<i) for an
// ordering of the variables, by a gated PixelCNN (van den Oord et al. 2016, "Conditional image
// generation with PixelCNN decoders"). The likelihood is exact; a sample costs one evaluation of
// the network for each variable.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trainer/model/conditioning.h"
#include "trainer/model/likelihood.h"
#include "trainer/model/network.h"
#include "trainer/model/observation.h"
#include "trainer/model/options.h"
#include "trainer/model/procedure.h"

namespace elbow {

// Orderings of the pixels, row by row or column by column; channels in order within a pixel.
std::vector<std::string> ordering_names();  // of model.ordering

// Parameters are named network..., likelihood..., in this order. Computes in the type of its
// parameters and of x, float or double.
class PixelCnn : public Procedure {
 public:
  struct Parts {
    std::shared_ptr<Network> network;  // [B, C, H, W] -> [B, P, C, H, W], causal row by row
    std::shared_ptr<Likelihood> likelihood;
    std::vector<std::int64_t> shape;  // of x: [C, H, W]
    bool by_columns = false;          // the network then sees images transposed
    double largest = 1;               // x is from 0 to this
    Conditioning conditioning = {};
  };
  explicit PixelCnn(Parts parts);

  // What the likelihood takes for p(x_i | x_<i, c), for every i: [B, P, C, H, W]. x may lack rows
  // at the end (columns, where the ordering is by columns).
  torch::Tensor conditionals(const torch::Tensor& x, const torch::Tensor& c);

  void require_suitable(const Objective& objective) const override;
  // All are log p(x), of x given c where there is c; the KL is undefined.
  Terms terms(const Shard& shard, const RunNoise& noise, const Objective& objective) override;

  // The log-likelihood alone, with a Monte Carlo variance of zero. Needs no noise.
  BlockFigures evaluate(const Shard& shard, const Estimation& estimation,
                        const RunNoise& noise) override;
  std::string missing_figures_reason() const override;

  // Ancestral: variables are drawn one by one, in the ordering. Show::kMean shows E[x_i | x_<i]
  // where x is the same draw: there is no mean without one. Noise: Purpose::kSampling, draw 1, an
  // element for each variable of x. Memory does not grow with the number of samples.
  torch::Tensor sample(std::span<const std::int64_t> indices, const torch::Tensor& c,
                       const RunNoise& noise, Show show) override;

  // Each throws ConfigError: there is no code.
  Code encode(const Shard& shard) override;
  torch::Tensor decode(const torch::Tensor& z, const torch::Tensor& condition) override;

  nlohmann::ordered_json architecture() const override;
  std::string summary() const override;

  // How often the network has been evaluated, on however many samples at once.
  std::int64_t evaluations() const { return evaluations_; }

 private:
  struct Drawn;
  Drawn draw(std::span<const std::int64_t> indices, const torch::Tensor& c, const NoiseKey& key);
  std::int64_t samples_at_once() const;

  Parts parts_;
  std::int64_t evaluations_ = 0;
};

// Throws ConfigError for anything but images, for a density, and for values that are no
// probabilities' outcomes.
std::shared_ptr<Procedure> make_pixelcnn(const ModelOptions& options,
                                         const Observation& observation,
                                         const Conditioning& conditioning);

}  // namespace elbow
