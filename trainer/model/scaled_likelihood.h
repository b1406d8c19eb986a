// What likelihoods around a centre G(z) share: one number of the decoder for each variable, and
// model.sigma, the deviation s around it.
#pragma once

#include <string>

#include "trainer/model/likelihood.h"

namespace elbow {

// model.sigma is
//   "learned": s^2 = exp(2 log_sigma) + floor^2, `log_sigma` a scalar parameter. The floor keeps
//   the
//     likelihood bounded on data that a model can fit exactly, and leaves a gradient to come back
//     with. It begins at a third of a typical deviation of a variable: 0.1 for 8-bit data.
//   "per-dimension": the same with `log_sigma` [D], one for each variable.
//   "optimal": the same scalar, but no gradient reaches it; it stays as it is until fit() is
//   called. a number: that s, not learned, without a floor.
class ScaledLikelihood : public Likelihood {
 public:
  std::int64_t parameters_per_variable() const override { return 1; }
  torch::Tensor mean(const torch::Tensor& output) const override;
  bool is_fitted() const override { return kind_ == Kind::kOptimal; }
  // With "sigma", a number or a formula; derived classes say what is around the centre.
  nlohmann::ordered_json architecture() const override;
  std::string summary() const override;  // "gaussian likelihood, sigma 0.1 (learned)"

  // Over the variables, the root of the mean of s^2.
  double sigma() const;
  // For all variables. Throws ConfigError for a sigma that is not above the floor.
  void set_sigma(double sigma);

 protected:
  // `name` is for a person. Throws ConfigError for a model.sigma that is none of these.
  ScaledLikelihood(std::string name, const LikelihoodOptions& options,
                   const Observation& observation);

  // s^2, differentiable: a scalar in double, which leaves the type of tensors that it meets as it
  // is, or [shape...] in the type of the parameters where it is per dimension.
  torch::Tensor variance() const;
  // The variance, or what is nearest to it above the floor's. Throws Error unless is_fitted(), and
  // for a variance that is not finite.
  void set_optimum(double variance);

  // Sums over the variables of a sample, [B], where `values` are [B, shape...] and `divisor` is as
  // variance() is.
  static torch::Tensor sum_divided(const torch::Tensor& values, const torch::Tensor& divisor);
  // Sum over the `variables` of a sample of what is as variance() is, a scalar.
  static torch::Tensor sum_over(const torch::Tensor& scale, std::int64_t variables);

 private:
  enum class Kind { kLearned, kPerDimension, kOptimal, kFixed };

  static Kind parse(const std::string& text, double& fixed_sigma);

  std::string name_;
  double fixed_sigma_ = 0;
  Kind kind_;
  double floor_;
  std::vector<std::int64_t> shape_;  // of x
  torch::Tensor log_sigma_;          // undefined where fixed
};

}  // namespace elbow
