#include "trainer/model/laplace_likelihood.h"

#include <cmath>

#include "trainer/model/keyed_noise.h"
#include "trainer/model/scaled_likelihood.h"

namespace elbow {
namespace {

class LaplaceLikelihood : public ScaledLikelihood {
 public:
  LaplaceLikelihood(const LikelihoodOptions& options, const Observation& observation)
      : ScaledLikelihood("laplace", options, observation) {}

  torch::Tensor log_density(const torch::Tensor& x, const torch::Tensor& output) const override {
    const auto b = scale();
    const auto log_normaliser = sum_over((2.0 * b).log(), x.numel() / x.size(0));
    return -sum_divided((x - mean(output)).abs(), b) - log_normaliser;
  }

  // By the inverse distribution function, in double: 1 - |2u - 1| may be as small as 2^-32.
  torch::Tensor sample(const torch::Tensor& output, const NoiseKey& key,
                       std::span<const std::int64_t> indices, std::uint32_t draw) const override {
    const auto centre = mean(output);
    const auto u =
        2.0 * uniform_noise(key, indices, draw, centre.sizes().slice(1), torch::kDouble) - 1.0;
    const auto standard = -u.sign() * (-u.abs()).log1p();
    return centre + scale() * standard.to(centre.device(), centre.scalar_type());
  }

  void fit(double mean_log_density, std::int64_t variables) override {
    const auto count = static_cast<double>(variables);
    const double b = std::sqrt(0.5) * sigma();
    const double errors = -b * (mean_log_density + count * std::log(2.0 * b));
    set_optimum(2.0 * (errors / count) * (errors / count));
  }

  nlohmann::ordered_json architecture() const override {
    auto json = ScaledLikelihood::architecture();
    json["distribution"] = "exp(-|x - centre| / b) / (2 b) of each variable, b = sigma / sqrt(2)";
    return json;
  }

 private:
  torch::Tensor scale() const { return (0.5 * variance()).sqrt(); }
};

}  // namespace

std::shared_ptr<Likelihood> make_laplace_likelihood(const LikelihoodOptions& options,
                                                    const Observation& observation) {
  return std::make_shared<LaplaceLikelihood>(options, observation);
}

}  // namespace elbow
