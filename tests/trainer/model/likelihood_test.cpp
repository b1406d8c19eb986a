#include "trainer/model/likelihood.h"

#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/likelihood_cases.h"
#include "trainer/model/keyed_noise.h"

namespace elbow {
namespace {

std::shared_ptr<Likelihood> bernoulli(std::int64_t variables) {
  return likelihood_of("bernoulli", "learned", variables);
}

// By the trapezoidal rule over 40 deviations on either side, the centre a point of the grid.
TEST(Likelihood, DensitiesIntegrateToOne) {
  constexpr std::int64_t kPoints = 80000;
  const auto line = torch::linspace(-40, 40, kPoints + 1, torch::kDouble).unsqueeze(1);
  for (const char* name : {"gaussian", "laplace"}) {
    for (const double sigma : {1e-3, 0.03, 1.0}) {
      for (const double centre : {-1.0, 0.3, 2.0}) {
        const auto output = repeated(torch::tensor({centre}, torch::kDouble), kPoints + 1);
        const auto log_p = likelihood_of(name, fmt::format("{}", sigma))
                               ->log_density(line * sigma + centre, output);
        const double integral = log_p.exp().sum().item<double>() * 80 * sigma / kPoints;
        EXPECT_NEAR(integral, 1, 1e-6) << name << " " << sigma << " " << centre;
      }
    }
  }
}

TEST(GaussianLikelihood, HasItsFormula) {
  const auto x = torch::tensor({{0.5, 1.0}, {0.0, 0.0}}, torch::kDouble);
  const auto output = torch::tensor({{{0.2, 1.4}}, {{0.0, 0.0}}}, torch::kDouble);
  const auto log_p = likelihood_of("gaussian", "0.2", 2)->log_density(x, output);
  const double normaliser = -std::log(2 * std::numbers::pi * 0.04);
  EXPECT_NEAR(log_p[0].item<double>(), -(0.09 + 0.16) / 0.08 + normaliser, 1e-12);
  EXPECT_NEAR(log_p[1].item<double>(), normaliser, 1e-12);
}

TEST(LaplaceLikelihood, HasItsFormula) {
  const auto x = torch::tensor({{0.5, 1.0}, {0.0, 0.0}}, torch::kDouble);
  const auto output = torch::tensor({{{0.2, 1.4}}, {{0.0, 0.0}}}, torch::kDouble);
  const double b = 0.2 / std::numbers::sqrt2;
  const auto log_p = likelihood_of("laplace", "0.2", 2)->log_density(x, output);
  EXPECT_NEAR(log_p[0].item<double>(), -0.7 / b - 2 * std::log(2 * b), 1e-12);
  EXPECT_NEAR(log_p[1].item<double>(), -2 * std::log(2 * b), 1e-12);
}

TEST(Likelihood, FloatKeepsItsDigitsOverManyVariables) {
  const auto x = normal_noise({3, Purpose::kSampling}, indices_below(50), 0, {784}, torch::kFloat);
  for (const char* name : {"gaussian", "laplace"}) {
    for (const char* sigma : {"0.01", "0.1", "1.0", "per-dimension"}) {
      const auto likelihood = likelihood_of(name, sigma, 784);
      const auto output = torch::zeros({50, 1, 784});
      const auto exact = likelihood->log_density(x.to(torch::kDouble), output.to(torch::kDouble));
      const auto difference =
          (likelihood->log_density(x, output) - exact) / exact.abs().clamp_min(1);
      EXPECT_LT(difference.abs().max().item<double>(), 1e-5) << name << " " << sigma;
    }
  }
}

// The variance of a sample variance is (kurtosis - 1) s^4 / n, and the kurtosis of a Laplace
// variable is 6. The tails are counted too: its |x - G| > 3 s has the probability exp(-3 sqrt 2).
TEST(Likelihood, SamplesScatterAroundTheMean) {
  constexpr std::int64_t kCount = 50000;
  for (const char* name : {"gaussian", "laplace"}) {
    const bool normal = name == std::string("gaussian");
    const auto likelihood = likelihood_of(name, "0.2", 2);
    const auto output = repeated(torch::tensor({0.3F, -0.7F}), kCount);
    const auto x = likelihood->sample(output, {1, Purpose::kSampling}, indices_below(kCount), 1);
    EXPECT_EQ(x.scalar_type(), torch::kFloat);
    const auto error = (x - likelihood->mean(output)).to(torch::kDouble) / 0.2;
    const auto variance_error = std::sqrt((normal ? 2.0 : 5.0) / kCount);
    const double tail = normal ? std::erfc(3 / std::numbers::sqrt2) : std::exp(-3 * std::sqrt(2));
    for (std::int64_t d = 0; d < 2; ++d) {
      const auto e = error.select(1, d);
      EXPECT_NEAR(e.mean().item<double>(), 0, 4 / std::sqrt(kCount)) << name;
      EXPECT_NEAR(e.square().mean().item<double>(), 1, 4 * variance_error) << name;
      EXPECT_NEAR((e.abs() > 3).to(torch::kDouble).mean().item<double>(), tail,
                  4 * std::sqrt(tail * (1 - tail) / kCount))
          << name;
    }
    EXPECT_TRUE(torch::equal(likelihood->mean(output), output.squeeze(1)));
  }
}

TEST(Likelihood, SamplesAreKeyedByTheSample) {
  const NoiseKey key{1, Purpose::kSampling};
  const std::vector<std::int64_t> both = {3, 8};
  const std::vector<std::int64_t> second = {8};
  const auto centre = torch::tensor({0.3, -0.7}, torch::kDouble);
  for (const char* name : {"gaussian", "laplace", "bernoulli", "discretised-logistic"}) {
    const auto likelihood = likelihood_of(name, "0.2", 2);
    const auto x = likelihood->sample(repeated(centre, 2), key, both, 1);
    EXPECT_TRUE(torch::equal(x[1], likelihood->sample(repeated(centre, 1), key, second, 1)[0]));
  }
}

TEST(BernoulliLikelihood, SumsToOne) {
  constexpr std::int64_t kPixels = 9;
  constexpr std::int64_t kImages = 1 << kPixels;
  const auto numbers = torch::arange(kImages).unsqueeze(1);
  const auto x =
      numbers.bitwise_right_shift(torch::arange(kPixels)).bitwise_and(1).to(torch::kDouble);
  const auto logits = torch::linspace(-6, 9, kPixels, torch::kDouble);
  const auto output = logits.view({1, 1, kPixels}).expand({kImages, 1, kPixels});
  const auto log_p = bernoulli(kPixels)->log_density(x, output);
  EXPECT_NEAR(log_p.exp().sum().item<double>(), 1, 1e-12);
  EXPECT_NEAR(log_p[kImages - 1].item<double>(), torch::log_sigmoid(logits).sum().item<double>(),
              1e-12);
}

TEST(BernoulliLikelihood, StaysFiniteAtExtremeLogits) {
  auto output = torch::tensor({200.0F, -200.0F, 200.0F, -200.0F}).view({1, 1, 4}).clone();
  output.requires_grad_();
  const auto x = torch::tensor({{1.0F, 0.0F, 0.0F, 1.0F}});
  const auto log_p = bernoulli(4)->log_density(x, output);
  EXPECT_FLOAT_EQ(log_p.item<float>(), -400.0F);
  log_p.sum().backward();
  EXPECT_TRUE(torch::allclose(output.grad().flatten(), torch::tensor({0.0F, 0.0F, -1.0F, 1.0F})));
}

TEST(BernoulliLikelihood, SamplesFollowTheirProbability) {
  constexpr std::int64_t kCount = 50000;
  const auto logits = torch::tensor({-100.0F, -1.0F, 100.0F});
  const auto output = logits.view({1, 1, 3}).expand({kCount, 1, 3});
  const auto indices = indices_below(kCount);
  const auto likelihood = bernoulli(3);
  const auto x = likelihood->sample(output, {1, Purpose::kSampling}, indices, 1);
  const double p = 1 / (1 + std::exp(1.0));
  EXPECT_EQ(x.select(1, 0).sum().item<double>(), 0.0);
  EXPECT_NEAR(x.select(1, 1).mean().item<double>(), p, 4 * std::sqrt(p * (1 - p) / kCount));
  EXPECT_EQ(x.select(1, 2).mean().item<double>(), 1.0);
  EXPECT_TRUE(torch::allclose(likelihood->mean(output), torch::sigmoid(output.squeeze(1))));
}

TEST(Likelihood, NothingToFitIsRefused) {
  EXPECT_FALSE(bernoulli(2)->is_fitted());
  EXPECT_THROW(bernoulli(2)->fit(-1.0, 2), Error);
}

TEST(Likelihood, UnknownNameIsRefusedWithTheNearest) {
  try {
    likelihood_kind("bernouli");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("did you mean 'bernoulli'"));
  }
}

}  // namespace
}  // namespace elbow
