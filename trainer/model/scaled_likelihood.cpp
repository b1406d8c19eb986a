#include "trainer/model/scaled_likelihood.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace elbow {

ScaledLikelihood::Kind ScaledLikelihood::parse(const std::string& text, double& fixed_sigma) {
  if (text == "learned") return Kind::kLearned;
  if (text == "per-dimension") return Kind::kPerDimension;
  if (text == "optimal") return Kind::kOptimal;
  if (parse_number(text, fixed_sigma) && fixed_sigma > 0 && std::isfinite(fixed_sigma)) {
    return Kind::kFixed;
  }
  throw ConfigError(
      fmt::format("option model.sigma: '{}' is none of 'learned', 'per-dimension', 'optimal' and "
                  "the numbers above 0",
                  text));
}

ScaledLikelihood::ScaledLikelihood(std::string name, const LikelihoodOptions& options,
                                   const Observation& observation)
    : name_(std::move(name)),
      kind_(parse(options.sigma, fixed_sigma_)),
      floor_(options.sigma_floor),
      shape_(observation.shape()) {
  if (kind_ == Kind::kFixed) return;
  // Flat also where x is an image: weight decay takes parameters of two axes for weights.
  const bool each = kind_ == Kind::kPerDimension;
  log_sigma_ = register_parameter(
      "log_sigma", each ? torch::zeros({observation.variables()}) : torch::zeros({}));
  set_sigma(std::max(observation.typical_deviation() / 3.0, 2.0 * floor_));
}

void ScaledLikelihood::set_sigma(double sigma) {
  if (kind_ == Kind::kFixed) {
    fixed_sigma_ = sigma;
    return;
  }
  if (!(sigma > floor_)) {
    throw ConfigError(
        fmt::format("sigma {} is not above its floor, model.sigma_floor = {}", sigma, floor_));
  }
  torch::NoGradGuard no_grad;
  log_sigma_.fill_(0.5 * std::log(sigma * sigma - floor_ * floor_));
}

void ScaledLikelihood::set_optimum(double variance) {
  if (!is_fitted()) throw Error(fmt::format("{}: there is nothing to fit", summary()));
  if (!std::isfinite(variance)) {
    throw Error(
        fmt::format("the optimum of sigma cannot be computed: over the training set, the mean of "
                    "sigma^2 would be {}",
                    variance));
  }
  // A logarithm needs something above the floor.
  constexpr double kLeast = 1e-6;
  const double floor = floor_ * floor_;
  torch::NoGradGuard no_grad;
  log_sigma_.fill_(0.5 * std::log(std::max(variance - floor, kLeast * floor)));
}

double ScaledLikelihood::sigma() const {
  torch::NoGradGuard no_grad;
  return std::sqrt(variance().to(torch::kDouble).mean().item<double>());
}

torch::Tensor ScaledLikelihood::variance() const {
  if (kind_ == Kind::kFixed) return torch::tensor(fixed_sigma_ * fixed_sigma_, torch::kDouble);
  if (kind_ == Kind::kPerDimension) {
    return ((2.0 * log_sigma_).exp() + floor_ * floor_).view(shape_);
  }
  const auto log_sigma = is_fitted() ? log_sigma_.detach() : log_sigma_;
  return (2.0 * log_sigma.to(torch::kDouble)).exp() + floor_ * floor_;
}

torch::Tensor ScaledLikelihood::sum_divided(const torch::Tensor& values,
                                            const torch::Tensor& divisor) {
  if (divisor.dim() == 0) return values.flatten(1).sum(1) / divisor;
  return (values / divisor).flatten(1).sum(1);
}

torch::Tensor ScaledLikelihood::sum_over(const torch::Tensor& scale, std::int64_t variables) {
  return scale.dim() == 0 ? scale * static_cast<double>(variables) : scale.sum();
}

torch::Tensor ScaledLikelihood::mean(const torch::Tensor& output) const {
  return output.squeeze(1);
}

nlohmann::ordered_json ScaledLikelihood::architecture() const {
  nlohmann::ordered_json json = {{"kind", name_}, {"parameters_per_variable", 1}};
  json["centre"] = "output[:, 0]";
  json["mean"] = json["centre"];
  if (kind_ == Kind::kFixed) {
    json["sigma"] = fixed_sigma_;
  } else {
    json["sigma"] = "sqrt(exp(2 log_sigma) + floor^2)";
    json["floor"] = floor_;
  }
  return json;
}

std::string ScaledLikelihood::summary() const {
  if (kind_ == Kind::kPerDimension) {
    torch::NoGradGuard no_grad;
    const auto [least, most] = variance().sqrt().aminmax();
    return fmt::format("{} likelihood, sigma {:.4g} to {:.4g} (learned per dimension)", name_,
                       least.item<double>(), most.item<double>());
  }
  const char* how = kind_ == Kind::kFixed ? "fixed" : is_fitted() ? "optimal" : "learned";
  return fmt::format("{} likelihood, sigma {:.4g} ({})", name_, sigma(), how);
}

}  // namespace elbow
