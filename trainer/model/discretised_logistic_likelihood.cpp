#include "trainer/model/discretised_logistic_likelihood.h"

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "trainer/model/keyed_noise.h"
#include "trainer/model/scaled_likelihood.h"

namespace elbow {
namespace {

class DiscretisedLogisticLikelihood : public ScaledLikelihood {
 public:
  DiscretisedLogisticLikelihood(const LikelihoodOptions& options, const Observation& observation)
      : ScaledLikelihood("discretised logistic", options, observation),
        levels_(static_cast<double>(observation.levels())) {
    if (is_fitted()) {
      throw ConfigError(
          "option model.sigma: 'optimal' has no closed form for model.likelihood = "
          "'discretised-logistic'; use 'learned'");
    }
  }

  // With a and b the standardised lower and upper end of a value's interval,
  //   F(b) - F(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)),
  // whose factors keep their digits however far G is from x.
  torch::Tensor log_density(const torch::Tensor& x, const torch::Tensor& output) const override {
    const double half = 0.5 / levels_;
    const auto s = scale();
    const auto offset = x - ScaledLikelihood::mean(output);
    const auto bottom = x < half;
    const auto top = x > 1.0 - 1.5 / levels_;
    const auto below_upper = torch::log_sigmoid((offset + half) / s);
    const auto above_lower = torch::log_sigmoid((half - offset) / s);
    const auto interval = (-torch::expm1(-2.0 * half / s)).log().to(x.options());
    const auto log_p = below_upper.masked_fill(top, 0) + above_lower.masked_fill(bottom, 0) +
                       interval.expand_as(x).masked_fill(top.logical_or(bottom), 0);
    return log_p.flatten(1).sum(1);
  }

  // E k is the sum of P(k > j) over j = 0 ... L-2.
  torch::Tensor mean(const torch::Tensor& output) const override {
    const auto centre = ScaledLikelihood::mean(output);
    const auto s = scale();
    auto sum = torch::zeros_like(centre);
    for (double j = 0; j < levels_ - 1; ++j) {
      sum = sum + torch::sigmoid((centre - (j + 0.5) / levels_) / s);
    }
    return sum / levels_;
  }

  torch::Tensor sample(const torch::Tensor& output, const NoiseKey& key,
                       std::span<const std::int64_t> indices, std::uint32_t draw) const override {
    const auto centre = ScaledLikelihood::mean(output);
    const auto u = uniform_noise(key, indices, draw, centre.sizes().slice(1), torch::kDouble);
    const auto standard = torch::logit(u).to(centre.device(), centre.scalar_type());
    const auto k = ((centre + scale() * standard) * levels_).round();
    return k.clamp(0, levels_ - 1) / levels_;
  }

  nlohmann::ordered_json architecture() const override {
    auto json = ScaledLikelihood::architecture();
    json["kind"] = "discretised-logistic";
    json["levels"] = static_cast<std::int64_t>(levels_);
    json["distribution"] =
        "k = levels x of each variable: F(k + 1/2) - F(k - 1/2) with F(t) = sigmoid((t / levels - "
        "centre) / s), s = sigma sqrt(3) / pi; F is 0 below the first and 1 above the last level";
    json["mean"] =
        "sum over j = 0 ... levels - 2 of sigmoid((centre - (j + 1/2) / levels) / s) / "
        "levels";
    return json;
  }

 private:
  torch::Tensor scale() const { return (3.0 * variance()).sqrt() / std::numbers::pi; }

  double levels_;
};

}  // namespace

std::shared_ptr<Likelihood> make_discretised_logistic_likelihood(const LikelihoodOptions& options,
                                                                 const Observation& observation) {
  return std::make_shared<DiscretisedLogisticLikelihood>(options, observation);
}

}  // namespace elbow
