#include "trainer/model/diagonal_gaussian.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace elbow {
namespace {

DiagonalGaussian one(double mean, double deviation) {
  return {torch::full({1, 1}, mean, torch::kDouble),
          torch::full({1, 1}, 2 * std::log(deviation), torch::kDouble)};
}

// Trapezoid over +-12 deviations: exact to rounding for so smooth an integrand.
double kl_by_quadrature(double mean, double deviation) {
  constexpr int kPoints = 20000;
  const double step = 24 * deviation / kPoints;
  double sum = 0;
  for (int i = 0; i <= kPoints; ++i) {
    const double z = mean - 12 * deviation + step * i;
    const double u = (z - mean) / deviation;
    const double log_q = -0.5 * u * u - std::log(deviation * std::sqrt(2 * std::numbers::pi));
    const double log_p = -0.5 * z * z - 0.5 * std::log(2 * std::numbers::pi);
    sum += std::exp(log_q) * (log_q - log_p) * step;
  }
  return sum;
}

TEST(DiagonalGaussian, KlMatchesQuadrature) {
  const double kl = one(0.7, 0.5).kl_to_standard_normal().item<double>();
  EXPECT_NEAR(kl, 0.5631, 5e-5);
  for (const double mean : {0.0, 0.7, -2.0}) {
    for (const double deviation : {0.01, 0.5, 1.0, 3.0}) {
      EXPECT_NEAR(one(mean, deviation).kl_to_standard_normal().item<double>(),
                  kl_by_quadrature(mean, deviation), 1e-8);
    }
  }
}

TEST(DiagonalGaussian, KlKeepsItsDigitsNearZeroInFloat) {
  const DiagonalGaussian q(torch::zeros({1, 1}), torch::full({1, 1}, 1e-3));
  EXPECT_NEAR(q.kl_to_standard_normal().item<double>() / 2.5008e-7, 1, 1e-3);
}

TEST(DiagonalGaussian, KlAndDensitySumOverLatents) {
  const auto output = torch::tensor(
      {{0.7, -1.0, 2 * std::log(0.5), 2 * std::log(2.0)}, {0.0, 0.0, 0.0, 0.0}}, torch::kDouble);
  const DiagonalGaussian q(output);
  const double expected = one(0.7, 0.5).kl_to_standard_normal().item<double>() +
                          one(-1.0, 2.0).kl_to_standard_normal().item<double>();
  const auto kl = q.kl_to_standard_normal().sum(1);
  EXPECT_NEAR(kl[0].item<double>(), expected, 1e-12);
  EXPECT_EQ(kl[1].item<double>(), 0.0);
  const auto z = torch::tensor({{0.2, 0.4}, {1.0, -1.0}}, torch::kDouble);
  const auto log_q = q.log_density(z);
  const double u0 = (0.2 - 0.7) / 0.5;
  const double u1 = (0.4 + 1.0) / 2.0;
  EXPECT_NEAR(log_q[0].item<double>(), -0.5 * (u0 * u0 + u1 * u1) - std::log(2 * std::numbers::pi),
              1e-12);
  EXPECT_NEAR(log_q[1].item<double>(), -1 - std::log(2 * std::numbers::pi), 1e-12);
}

TEST(DiagonalGaussian, DrawsHaveItsMoments) {
  constexpr std::int64_t kCount = 100000;
  std::vector<std::int64_t> indices(kCount);
  std::iota(indices.begin(), indices.end(), 0);
  const DiagonalGaussian q(torch::full({kCount, 1}, 0.7),
                           torch::full({kCount, 1}, 2 * std::log(0.5)));
  const auto z = q.draw(q.noise({1, Purpose::kPosterior}, indices, 0));
  EXPECT_NEAR(z.mean().item<double>(), 0.7, 4 * 0.5 / std::sqrt(kCount));
  EXPECT_NEAR(z.std().item<double>(), 0.5, 4 * 0.5 / std::sqrt(2.0 * kCount));
}

// z = mu + s eps: dz/dmu = 1, dz/dlog s^2 = s eps / 2.
TEST(DiagonalGaussian, DrawIsDifferentiable) {
  auto mean = torch::full({2, 3}, 0.5, torch::requires_grad());
  auto log_variance = torch::full({2, 3}, 0.2, torch::requires_grad());
  const DiagonalGaussian q(mean, log_variance);
  const std::vector<std::int64_t> indices = {4, 9};
  const auto noise = q.noise({1, Purpose::kPosterior}, indices, 0);
  q.draw(noise).sum().backward();
  EXPECT_TRUE(torch::allclose(mean.grad(), torch::ones({2, 3})));
  EXPECT_TRUE(torch::allclose(log_variance.grad(), 0.5 * std::exp(0.1) * noise));
}

}  // namespace
}  // namespace elbow
