#include "trainer/model/vamp_prior.h"

#include <cmath>
#include <numeric>

#include "base/error.h"
#include "trainer/model/diagonal_gaussian.h"
#include "trainer/model/gaussian_mixture.h"

namespace elbow {
namespace {

torch::Tensor initial_inputs(std::int64_t components, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(components));
  std::iota(indices.begin(), indices.end(), 0);
  return uniform_noise({0, Purpose::kInitialisation}, indices, 0, shape, torch::kFloat);
}

class VampPrior : public Prior {
 public:
  VampPrior(std::int64_t components, std::int64_t latent, const std::vector<std::int64_t>& shape)
      : latent_(latent),
        pseudo_inputs_(register_parameter("pseudo_inputs", initial_inputs(components, shape))) {}

  std::int64_t latent() const override { return latent_; }

  // The encoder's parameters are the model's own: registered here, they would count twice.
  void set_encoder(const std::shared_ptr<Network>& encoder) override { encoder_ = encoder; }

  torch::Tensor log_density(const torch::Tensor& z_BD, const torch::Tensor& /*c*/) const override {
    return elbow::log_density(mixture(), z_BD);
  }

  torch::Tensor sample(const NoiseKey& key, std::span<const std::int64_t> indices,
                       std::uint32_t draw, const torch::Tensor& /*c*/,
                       at::ScalarType type) const override {
    return elbow::sample(mixture(), key, indices, draw, type);
  }

  std::int64_t posterior_parameters() const override { return 2 * latent_; }

  std::unique_ptr<Posterior> posterior(const torch::Tensor& encoder_output) const override {
    return std::make_unique<DiagonalGaussian>(encoder_output);
  }

  std::optional<torch::Tensor> kl_by_latent(const Posterior& /*q*/,
                                            const torch::Tensor& /*c*/) const override {
    return std::nullopt;
  }

  nlohmann::ordered_json architecture() const override {
    return {{"kind", "vamp"},
            {"latent", latent_},
            {"components", pseudo_inputs_.size(0)},
            {"distribution",
             "the mean of the posteriors that the encoder gives for pseudo_inputs, taken for x"},
            {"posterior", DiagonalGaussian::architecture(latent_)}};
  }

 private:
  GaussianMixture mixture() const {
    const auto encoder = encoder_.lock();
    if (encoder == nullptr) {
      throw ConfigError(
          "option model.prior: 'vamp' is made of the model's encoder, and there is none; choose "
          "another prior, or model.kind 'vae'");
    }
    const DiagonalGaussian q(encoder->forward(pseudo_inputs_, {}));
    const std::int64_t components = pseudo_inputs_.size(0);
    const double log_weight = -std::log(static_cast<double>(components));
    return {q.mean(), q.log_variance(),
            torch::full({components}, log_weight, q.mean().options().dtype(torch::kDouble))};
  }

  std::int64_t latent_;
  torch::Tensor pseudo_inputs_;
  std::weak_ptr<Network> encoder_;
};

}  // namespace

std::shared_ptr<Prior> make_vamp_prior(const PriorOptions& options, const PriorSetting& setting) {
  if (setting.condition > 0) {
    throw ConfigError(
        "option model.prior: 'vamp' does not go with a condition, since its pseudo-inputs have "
        "none; choose 'conditional' or 'mixture'");
  }
  if (options.components < 1) {
    throw ConfigError(
        fmt::format("option model.components: {} must be at least 1", options.components));
  }
  if (setting.shape.empty()) throw Error("the prior 'vamp' was not told the shape of x");
  return std::make_shared<VampPrior>(options.components, options.latent, setting.shape);
}

}  // namespace elbow
