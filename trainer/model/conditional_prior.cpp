#include "trainer/model/conditional_prior.h"

#include <torch/nn/modules/linear.h>

#include "base/error.h"
#include "trainer/model/diagonal_gaussian.h"

namespace elbow {
namespace {

class ConditionalPrior : public Prior {
 public:
  ConditionalPrior(std::int64_t condition, std::int64_t latent)
      : condition_(condition),
        latent_(latent),
        linear_(register_module("linear", torch::nn::Linear(condition, 2 * latent))) {}

  std::int64_t latent() const override { return latent_; }

  torch::Tensor log_density(const torch::Tensor& z_BD, const torch::Tensor& c) const override {
    return distribution(c, z_BD.size(0), z_BD.scalar_type()).log_density(z_BD);
  }

  torch::Tensor sample(const NoiseKey& key, std::span<const std::int64_t> indices,
                       std::uint32_t draw, const torch::Tensor& c,
                       at::ScalarType type) const override {
    const auto p = distribution(c, static_cast<std::int64_t>(indices.size()), type);
    return p.draw(p.noise(key, indices, draw));
  }

  std::int64_t posterior_parameters() const override { return 2 * latent_; }

  std::unique_ptr<Posterior> posterior(const torch::Tensor& encoder_output) const override {
    return std::make_unique<DiagonalGaussian>(encoder_output);
  }

  torch::Tensor concentrated_posterior() const override {
    return DiagonalGaussian::concentrated(latent_);
  }

  std::optional<torch::Tensor> kl_by_latent(const Posterior& q,
                                            const torch::Tensor& c) const override {
    const auto* gaussian = dynamic_cast<const DiagonalGaussian*>(&q);
    if (gaussian == nullptr) return std::nullopt;
    const auto mean = gaussian->mean();
    return gaussian->kl_to(distribution(c, mean.size(0), mean.scalar_type()));
  }

  nlohmann::ordered_json architecture() const override {
    return {{"kind", "conditional"},
            {"latent", latent_},
            {"distribution",
             "N(mean, exp(log_variance)), side by side in c linear.weight^T + linear.bias"},
            {"posterior", DiagonalGaussian::architecture(latent_)}};
  }

 private:
  DiagonalGaussian distribution(const torch::Tensor& c, std::int64_t batch,
                                at::ScalarType type) const {
    if (!c.defined()) {
      throw ConfigError(
          "the prior 'conditional' is p(z | c) and was given no c; give a condition, or choose "
          "another model.prior");
    }
    if (c.dim() != 2 || c.size(0) != batch || c.size(1) != condition_) {
      throw Error(fmt::format("the prior 'conditional' needs c of {} rows of {} entries, not {}",
                              batch, condition_, fmt::join(c.sizes(), " x ")));
    }
    const auto& weight = linear_->weight;
    const auto output =
        torch::linear(c.to(weight.device(), weight.scalar_type()), weight, linear_->bias);
    return DiagonalGaussian(output.to(type));
  }

  std::int64_t condition_;
  std::int64_t latent_;
  torch::nn::Linear linear_;
};

}  // namespace

std::shared_ptr<Prior> make_conditional_prior(const PriorOptions& options,
                                              const PriorSetting& setting) {
  if (setting.condition < 1) {
    throw ConfigError(
        "option model.prior: 'conditional' is p(z | c), but the model has no condition; choose "
        "model.kind 'cvae', or the prior 'gaussian'");
  }
  return std::make_shared<ConditionalPrior>(setting.condition, options.latent);
}

}  // namespace elbow
