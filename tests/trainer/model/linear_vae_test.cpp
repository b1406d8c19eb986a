// A linear VAE is probabilistic PCA (Tipping & Bishop 1999; Lucas et al. 2019): its posterior, its
// likelihood and the maximum of its likelihood are known.
#include <algorithm>
#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include "tests/trainer/model/linear_model.h"

namespace elbow {
namespace {

double largest_error(const std::vector<double>& values, const torch::Tensor& exact) {
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double truth = exact[static_cast<std::int64_t>(i)].item<double>();
    worst = std::max(worst, std::abs(values[i] - truth) / std::max(1.0, std::abs(truth)));
  }
  return worst;
}

// K - ESS of the image where the weights differ most.
double largest_rest(const BlockFigures& figures, int samples) {
  const auto& ess = figures.effective_sample_size;
  return samples - *std::min_element(ess.begin(), ess.end());
}

// -1/2 [n log 2 pi + sum_{j<=k} log l_j + (n - k) log s^2 + n], the maximum of the mean.
double maximum(const torch::Tensor& x_ND, std::int64_t latent) {
  const auto centred = x_ND - x_ND.mean(0);
  const auto values = torch::linalg_eigvalsh(centred.t().mm(centred) / x_ND.size(0));
  const std::int64_t n = x_ND.size(1);
  const double rest = values.narrow(0, 0, n - latent).mean().item<double>();
  const double kept = values.narrow(0, n - latent, latent).log().sum().item<double>();
  return -0.5 * (static_cast<double>(n) * (std::log(2 * std::numbers::pi) + 1) + kept +
                 static_cast<double>(n - latent) * std::log(rest));
}

TEST(LinearVae, ExactPosteriorMakesAllWeightsEqual) {
  constexpr int kSamples = 30;
  const auto x = LinearModel::simulated(16, 3, 0.4).sample(500, 5);
  const auto model = LinearModel::fitted(x, 3);
  const auto exact = model.log_density(x);
  EXPECT_NEAR(exact.mean().item<double>(), maximum(x, 3), 1e-9);

  const auto indices = first_indices(500);
  const auto figures = model.vae()->evaluate({x, indices}, {kSamples}, evaluation_noise());
  const double estimate = largest_error(figures.log_likelihood, exact);
  const double elbo = largest_error(figures.elbo, exact);
  const double rest = largest_rest(figures, kSamples);
  std::printf("D = 16, double: estimate off by %.1e, ELBO %.1e, K - ESS %.1e\n", estimate, elbo,
              rest);
  EXPECT_LT(estimate, 1e-9);
  EXPECT_LT(elbo, 1e-9);
  EXPECT_LT(rest, 1e-9);
}

// E_q log p(x | z) of a Gaussian: the squared distance at the posterior's mean, and its spread.
TEST(LinearVae, ReconstructionIsItsClosedForm) {
  const auto x = LinearModel::simulated(16, 3, 0.4).sample(50, 5);
  const auto model = LinearModel::fitted(x, 3);
  const auto v = model.weights_DK.t() / model.m_diagonal().unsqueeze(1);
  const auto centred = x - model.bias_D;
  const auto rest = centred - centred.mm(v.t()).mm(model.weights_DK.t());
  const double s2 = model.sigma * model.sigma;
  const auto spread = (model.weights_DK.square().sum(0) * s2 / model.m_diagonal()).sum();
  const auto exact =
      -0.5 * (rest.square().sum(1) + spread) / s2 - 8 * std::log(2 * std::numbers::pi * s2);
  const auto indices = first_indices(50);
  const auto figures = model.vae()->evaluate({x, indices}, {3}, evaluation_noise());
  EXPECT_LT(largest_error(figures.reconstruction, exact), 1e-9);
}

TEST(LinearVae, ManyVariablesInFloat) {
  constexpr int kSamples = 10;
  const auto x = LinearModel::simulated(784, 5, 0.1).sample(300, 5);
  const auto model = LinearModel::fitted(x, 5);
  auto vae = model.vae();
  vae->to(torch::kFloat);
  const auto x_float = x.to(torch::kFloat);
  const auto indices = first_indices(300);
  const auto figures = vae->evaluate({x_float, indices}, {kSamples}, evaluation_noise());
  const double estimate = largest_error(figures.log_likelihood, model.log_density(x_float));
  const double elbo = largest_error(figures.elbo, model.log_density(x_float));
  const double rest = largest_rest(figures, kSamples);
  std::printf("D = 784, float: estimate off by %.1e, ELBO %.1e, K - ESS %.1e\n", estimate, elbo,
              rest);
  EXPECT_LT(estimate, 1e-5);
  EXPECT_LT(elbo, 1e-5);
  EXPECT_LT(rest, 1e-4);
}

// The angles between the spaces spanned by the columns, the largest of them.
double largest_angle(const torch::Tensor& a_DK, const torch::Tensor& b_DK) {
  const auto qa = std::get<0>(torch::linalg_qr(a_DK));
  const auto qb = std::get<0>(torch::linalg_qr(b_DK));
  return std::acos(std::min(1.0, torch::linalg_svdvals(qa.t().mm(qb)).min().item<double>()));
}

TEST(LinearVae, TrainingFindsTheMaximum) {
  constexpr std::int64_t kRows = 256;
  constexpr int kSteps = 3000;
  const auto x = LinearModel::simulated(16, 3, 0.4).sample(kRows, 5);
  const auto indices = first_indices(kRows);
  auto vae = untrained_linear_vae(16, 3);
  vae->to(torch::kDouble);
  torch::optim::Adam optimizer(vae->parameters(), torch::optim::AdamOptions(0.02));
  for (int step = 0; step < kSteps; ++step) {
    const double rate = 0.01 * (1 + std::cos(std::numbers::pi * step / kSteps));
    for (auto& group : optimizer.param_groups()) group.options().set_lr(rate);
    optimizer.zero_grad();
    const auto terms = vae->terms({x, indices}, {1, 0, static_cast<std::uint32_t>(step)}, {1});
    (-terms.objective.mean()).backward();
    optimizer.step();
  }
  torch::NoGradGuard no_grad;
  const auto best = LinearModel::fitted(x, 3);
  const auto& likelihood = dynamic_cast<GaussianLikelihood&>(*vae->model().likelihood);
  const LinearModel learned{vae->named_parameters()["decoder.0.weight"],
                            vae->named_parameters()["decoder.0.bias"], likelihood.sigma()};
  const double reached = learned.log_density(x).mean().item<double>();
  const double angle = largest_angle(learned.weights_DK, best.weights_DK);
  const double variances = std::pow(learned.sigma / best.sigma, 2);
  std::printf("log-likelihood %.6f, maximum %.6f; s^2 ratio %.5f; largest angle %.4f\n", reached,
              maximum(x, 3), variances, angle);
  EXPECT_GE(reached, maximum(x, 3) - 0.1);
  EXPECT_LE(reached, maximum(x, 3) + 1e-6);
  EXPECT_NEAR(variances, 1, 0.01);
  EXPECT_LT(angle, 0.05);
}

}  // namespace
}  // namespace elbow
