#include "trainer/model/uniform_prior.h"

#include <cmath>
#include <limits>

#include "trainer/model/truncated_normal.h"

namespace elbow {
namespace {

class UniformPrior : public Prior {
 public:
  explicit UniformPrior(std::int64_t latent) : latent_(latent) {}

  std::int64_t latent() const override { return latent_; }

  // Minus infinity outside the cube.
  torch::Tensor log_density(const torch::Tensor& z_BD, const torch::Tensor& /*c*/) const override {
    const double inside = -static_cast<double>(latent_) * std::log(2.0);
    return torch::full({z_BD.size(0)}, inside, z_BD.options().requires_grad(false))
        .masked_fill(z_BD.abs().gt(1.0).any(1), -std::numeric_limits<double>::infinity());
  }

  torch::Tensor sample(const NoiseKey& key, std::span<const std::int64_t> indices,
                       std::uint32_t draw, const torch::Tensor& /*c*/,
                       at::ScalarType type) const override {
    return 2.0 * uniform_noise(key, indices, draw, {latent_}, type) - 1.0;
  }

  std::vector<LatentAxis> axes() const override {
    std::vector<LatentAxis> axes = Prior::axes();
    for (LatentAxis& axis : axes) axis.limit = 1.0;
    return axes;
  }

  std::int64_t posterior_parameters() const override { return 2 * latent_; }

  std::unique_ptr<Posterior> posterior(const torch::Tensor& encoder_output) const override {
    return std::make_unique<TruncatedNormal>(encoder_output);
  }

  torch::Tensor concentrated_posterior() const override {
    return TruncatedNormal::concentrated(latent_);
  }

  std::optional<torch::Tensor> kl_by_latent(const Posterior& q,
                                            const torch::Tensor& /*c*/) const override {
    const auto* truncated = dynamic_cast<const TruncatedNormal*>(&q);
    if (truncated == nullptr) return std::nullopt;
    return truncated->kl_to_uniform();
  }

  nlohmann::ordered_json architecture() const override {
    return {{"kind", "uniform"},
            {"latent", latent_},
            {"distribution", "uniform on [-1, 1]^latent"},
            {"posterior", TruncatedNormal::architecture(latent_)}};
  }

 private:
  std::int64_t latent_;
};

}  // namespace

std::shared_ptr<Prior> make_uniform_prior(const PriorOptions& options,
                                          const PriorSetting& /*setting*/) {
  return std::make_shared<UniformPrior>(options.latent);
}

}  // namespace elbow
