#include "trainer/model/bernoulli_likelihood.h"

#include "trainer/model/keyed_noise.h"

namespace elbow {
namespace {

class BernoulliLikelihood : public Likelihood {
 public:
  std::int64_t parameters_per_variable() const override { return 1; }

  // From logits, so that no probability is rounded to 0 or 1 before its logarithm is taken.
  torch::Tensor log_density(const torch::Tensor& x, const torch::Tensor& output) const override {
    const auto pixels =
        torch::binary_cross_entropy_with_logits(output.squeeze(1), x, {}, {}, at::Reduction::None);
    return -pixels.flatten(1).sum(1);
  }

  torch::Tensor mean(const torch::Tensor& output) const override {
    return torch::sigmoid(output.squeeze(1));
  }

  torch::Tensor sample(const torch::Tensor& output, const NoiseKey& key,
                       std::span<const std::int64_t> indices, std::uint32_t draw) const override {
    const auto white = mean(output);
    const auto noise = uniform_noise(key, indices, draw, white.sizes().slice(1), torch::kDouble);
    return (noise.to(white.device()) < white).to(white.scalar_type());
  }

  nlohmann::ordered_json architecture() const override {
    return {{"kind", "bernoulli"},
            {"parameters_per_variable", 1},
            {"distribution", "x is 1 with the probability sigmoid(output[:, 0]), else 0"},
            {"mean", "sigmoid(output[:, 0])"}};
  }

  std::string summary() const override { return "bernoulli likelihood"; }
};

}  // namespace

std::shared_ptr<Likelihood> make_bernoulli_likelihood(const LikelihoodOptions& /*options*/,
                                                      const Observation& /*observation*/) {
  return std::make_shared<BernoulliLikelihood>();
}

}  // namespace elbow
