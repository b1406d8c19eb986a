#include "trainer/model/likelihood.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/linear_model.h"
#include "trainer/model/gaussian_likelihood.h"

namespace elbow {
namespace {

Observation binary_pixels(std::int64_t variables) {
  return {{"auto", "vector"}, {{variables}, ValueType::kUint8}, "bernoulli"};
}

std::shared_ptr<Likelihood> bernoulli(std::int64_t variables) {
  ModelOptions options;
  options.likelihood = "bernoulli";
  return make_likelihood(options, binary_pixels(variables));
}

std::shared_ptr<GaussianLikelihood> gaussian(const std::string& sigma, double floor = 1e-4) {
  ModelOptions options;
  options.sigma = sigma;
  options.sigma_floor = floor;
  return std::dynamic_pointer_cast<GaussianLikelihood>(make_likelihood(options, raw_vectors(2)));
}

TEST(GaussianLikelihood, IntegratesToOne) {
  constexpr int kPoints = 400;
  for (const double sigma : {1e-3, 0.1, 2.0}) {
    const auto likelihood = gaussian(fmt::format("{}", sigma));
    const double step = 20 * sigma / kPoints;
    const auto line = torch::linspace(-10 * sigma, 10 * sigma, kPoints + 1, torch::kDouble);
    const auto mean = torch::tensor({0.3, -0.7}, torch::kDouble);
    const auto grid = torch::cartesian_prod({line, line}) + mean;
    const auto output = mean.view({1, 1, 2}).expand({grid.size(0), 1, 2});
    const double integral =
        likelihood->log_density(grid, output).exp().sum().item<double>() * step * step;
    EXPECT_NEAR(integral, 1, 1e-6) << sigma;
  }
}

TEST(GaussianLikelihood, HasItsFormula) {
  const auto x = torch::tensor({{0.5, 1.0}, {0.0, 0.0}}, torch::kDouble);
  const auto output = torch::tensor({{{0.2, 1.4}}, {{0.0, 0.0}}}, torch::kDouble);
  const auto log_p = gaussian("0.2")->log_density(x, output);
  const double normaliser = -std::log(2 * std::numbers::pi * 0.04);
  EXPECT_NEAR(log_p[0].item<double>(), -(0.09 + 0.16) / 0.08 + normaliser, 1e-12);
  EXPECT_NEAR(log_p[1].item<double>(), normaliser, 1e-12);
}

TEST(GaussianLikelihood, FloatKeepsItsDigitsOverManyVariables) {
  const auto x = LinearModel::simulated(784, 2, 0.1).sample(50, 3).to(torch::kFloat);
  for (const double sigma : {0.01, 0.1, 1.0}) {
    ModelOptions options;
    options.sigma = fmt::format("{}", sigma);
    const auto likelihood = make_likelihood(options, raw_vectors(784));
    const auto output = torch::zeros({50, 1, 784});
    const auto exact = likelihood->log_density(x.to(torch::kDouble), output.to(torch::kDouble));
    const auto difference = (likelihood->log_density(x, output) - exact) / exact.abs().clamp_min(1);
    EXPECT_LT(difference.abs().max().item<double>(), 1e-5) << sigma;
  }
}

TEST(GaussianLikelihood, SigmaIsLearnedFromASensibleStart) {
  ModelOptions options;
  const Observation pictures({}, {{8, 8}, ValueType::kUint8}, "gaussian");
  const GaussianLikelihood learned(options, pictures);
  EXPECT_NEAR(learned.sigma(), 0.1, 1e-6);
  ASSERT_EQ(learned.named_parameters().size(), 1U);
  EXPECT_EQ(learned.named_parameters()[0].key(), "log_sigma");
  EXPECT_NEAR(gaussian("learned")->sigma(), 1 / 3.0, 1e-6);
  EXPECT_THAT(learned.summary(), testing::HasSubstr("0.1 (learned)"));
  EXPECT_TRUE(gaussian("0.5")->parameters().empty());
  EXPECT_EQ(gaussian("0.5")->sigma(), 0.5);
}

TEST(GaussianLikelihood, SigmaStaysAboveItsFloorWithAGradient) {
  const auto likelihood = gaussian("learned", 0.01);
  auto log_sigma = likelihood->parameters()[0];
  {
    torch::NoGradGuard no_grad;
    log_sigma.fill_(-8.0);
  }
  EXPECT_NEAR(likelihood->sigma(), 0.01, 1e-5);
  likelihood->log_density(torch::ones({1, 2}), torch::zeros({1, 1, 2})).sum().backward();
  EXPECT_GT(log_sigma.grad().item<double>(), 0.0);
  likelihood->set_sigma(0.2);
  EXPECT_NEAR(likelihood->sigma(), 0.2, 1e-6);
  EXPECT_THROW(likelihood->set_sigma(0.01), ConfigError);
}

TEST(GaussianLikelihood, RefusesASigmaThatIsNone) {
  for (const char* sigma : {"0", "-1", "learnt", "nan", "inf", "1e999"}) {
    EXPECT_THROW(gaussian(sigma), ConfigError) << sigma;
  }
}

TEST(GaussianLikelihood, SamplesScatterAroundTheMean) {
  constexpr std::int64_t kCount = 50000;
  const auto likelihood = gaussian("0.2");
  const auto output = torch::tensor({0.3F, -0.7F}).view({1, 1, 2}).expand({kCount, 1, 2});
  const auto indices = first_indices(kCount);
  const auto x = likelihood->sample(output, {1, Purpose::kSampling}, indices, 1);
  EXPECT_NEAR(x.select(1, 0).mean().item<double>(), 0.3, 4 * 0.2 / std::sqrt(kCount));
  EXPECT_NEAR(x.select(1, 1).std().item<double>(), 0.2, 4 * 0.2 / std::sqrt(2.0 * kCount));
  EXPECT_TRUE(torch::equal(likelihood->mean(output), output.squeeze(1)));
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
  const auto indices = first_indices(kCount);
  const auto likelihood = bernoulli(3);
  const auto x = likelihood->sample(output, {1, Purpose::kSampling}, indices, 1);
  const double p = 1 / (1 + std::exp(1.0));
  EXPECT_EQ(x.select(1, 0).sum().item<double>(), 0.0);
  EXPECT_NEAR(x.select(1, 1).mean().item<double>(), p, 4 * std::sqrt(p * (1 - p) / kCount));
  EXPECT_EQ(x.select(1, 2).mean().item<double>(), 1.0);
  EXPECT_TRUE(torch::allclose(likelihood->mean(output), torch::sigmoid(output.squeeze(1))));
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
