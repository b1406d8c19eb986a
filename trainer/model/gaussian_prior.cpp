#include "trainer/model/gaussian_prior.h"

#include <cmath>
#include <numbers>

#include "trainer/model/diagonal_gaussian.h"

namespace elbow {
namespace {

class GaussianPrior : public Prior {
 public:
  explicit GaussianPrior(std::int64_t latent) : latent_(latent) {}

  std::int64_t latent() const override { return latent_; }

  torch::Tensor log_density(const torch::Tensor& z_BD, const torch::Tensor& /*c*/) const override {
    const double log_two_pi = std::log(2.0 * std::numbers::pi);
    return -0.5 * (z_BD.square().sum(1) + static_cast<double>(latent_) * log_two_pi);
  }

  torch::Tensor sample(const NoiseKey& key, std::span<const std::int64_t> indices,
                       std::uint32_t draw, const torch::Tensor& /*c*/,
                       at::ScalarType type) const override {
    return normal_noise(key, indices, draw, {latent_}, type);
  }

  std::int64_t posterior_parameters() const override { return 2 * latent_; }

  std::unique_ptr<Posterior> posterior(const torch::Tensor& encoder_output) const override {
    return std::make_unique<DiagonalGaussian>(encoder_output);
  }

  torch::Tensor concentrated_posterior() const override {
    return DiagonalGaussian::concentrated(latent_);
  }

  std::optional<torch::Tensor> kl_by_latent(const Posterior& q,
                                            const torch::Tensor& /*c*/) const override {
    const auto* gaussian = dynamic_cast<const DiagonalGaussian*>(&q);
    if (gaussian == nullptr) return std::nullopt;
    return gaussian->kl_to_standard_normal();
  }

  nlohmann::ordered_json architecture() const override {
    return {{"kind", "gaussian"},
            {"latent", latent_},
            {"distribution", "N(0, I)"},
            {"posterior", DiagonalGaussian::architecture(latent_)}};
  }

 private:
  std::int64_t latent_;
};

}  // namespace

std::shared_ptr<Prior> make_gaussian_prior(const PriorOptions& options,
                                           const PriorSetting& /*setting*/) {
  return std::make_shared<GaussianPrior>(options.latent);
}

}  // namespace elbow
