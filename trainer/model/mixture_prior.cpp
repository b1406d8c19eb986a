#include "trainer/model/mixture_prior.h"

#include <numeric>

#include "base/error.h"
#include "trainer/model/diagonal_gaussian.h"
#include "trainer/model/gaussian_mixture.h"

namespace elbow {
namespace {

// Means must differ, or the components would stay equal for ever.
torch::Tensor initial_means(std::int64_t components, std::int64_t latent) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(components));
  std::iota(indices.begin(), indices.end(), 0);
  return normal_noise({0, Purpose::kInitialisation}, indices, 0, {latent}, torch::kFloat);
}

class MixturePrior : public Prior {
 public:
  MixturePrior(std::int64_t components, std::int64_t latent)
      : mean_(register_parameter("mean", initial_means(components, latent))),
        log_variance_(register_parameter("log_variance", torch::zeros({components, latent}))),
        logit_(register_parameter("logit", torch::zeros({components}))) {}

  std::int64_t latent() const override { return mean_.size(1); }

  torch::Tensor log_density(const torch::Tensor& z_BD, const torch::Tensor& /*c*/) const override {
    return elbow::log_density(mixture(), z_BD);
  }

  torch::Tensor sample(const NoiseKey& key, std::span<const std::int64_t> indices,
                       std::uint32_t draw, const torch::Tensor& /*c*/,
                       at::ScalarType type) const override {
    return elbow::sample(mixture(), key, indices, draw, type);
  }

  std::int64_t posterior_parameters() const override { return 2 * latent(); }

  std::unique_ptr<Posterior> posterior(const torch::Tensor& encoder_output) const override {
    return std::make_unique<DiagonalGaussian>(encoder_output);
  }

  torch::Tensor concentrated_posterior() const override {
    return DiagonalGaussian::concentrated(latent());
  }

  std::optional<torch::Tensor> kl_by_latent(const Posterior& /*q*/,
                                            const torch::Tensor& /*c*/) const override {
    return std::nullopt;
  }

  nlohmann::ordered_json architecture() const override {
    return {{"kind", "mixture"},
            {"latent", latent()},
            {"components", mean_.size(0)},
            {"distribution", "sum_k softmax(logit)_k N(mean_k, exp(log_variance_k))"},
            {"posterior", DiagonalGaussian::architecture(latent())}};
  }

 private:
  GaussianMixture mixture() const { return {mean_, log_variance_, torch::log_softmax(logit_, 0)}; }

  torch::Tensor mean_;
  torch::Tensor log_variance_;
  torch::Tensor logit_;
};

}  // namespace

std::shared_ptr<Prior> make_mixture_prior(const PriorOptions& options,
                                          const PriorSetting& /*setting*/) {
  if (options.components < 1) {
    throw ConfigError(
        fmt::format("option model.components: {} must be at least 1", options.components));
  }
  return std::make_shared<MixturePrior>(options.components, options.latent);
}

}  // namespace elbow
