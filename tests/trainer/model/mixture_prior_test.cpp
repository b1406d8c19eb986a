#include "trainer/model/mixture_prior.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/prior_checks.h"
#include "trainer/model/diagonal_gaussian.h"

namespace elbow {
namespace {

std::shared_ptr<Prior> mixture(std::int64_t components, std::int64_t latent) {
  PriorOptions options;
  options.components = components;
  options.latent = latent;
  return make_mixture_prior(options, {});
}

void set(Prior& prior, const std::string& name, const torch::Tensor& value) {
  const torch::NoGradGuard no_grad;
  prior.named_parameters()[name].copy_(value);
}

// Three components in one dimension, with weights .2, .5 and .3.
std::shared_ptr<Prior> known_mixture() {
  auto prior = mixture(3, 1);
  prior->to(torch::kDouble);
  set(*prior, "mean", torch::tensor({{-2.0}, {0.5}, {3.0}}, torch::kDouble));
  set(*prior, "log_variance", torch::tensor({{-1.0}, {0.4}, {-3.0}}, torch::kDouble));
  set(*prior, "logit", torch::tensor({0.2, 0.5, 0.3}, torch::kDouble).log() + 7.0);
  return prior;
}

TEST(MixturePrior, DensityIsTheWeightedSum) {
  const double z = 0.7;
  const auto part = [&](double weight, double mean, double log_variance) {
    const double v = std::exp(log_variance);
    return weight * std::exp(-0.5 * (z - mean) * (z - mean) / v) /
           std::sqrt(2 * std::numbers::pi * v);
  };
  EXPECT_NEAR(
      known_mixture()->log_density(torch::full({1, 1}, z, torch::kDouble), {}).item<double>(),
      std::log(part(0.2, -2.0, -1.0) + part(0.5, 0.5, 0.4) + part(0.3, 3.0, -3.0)), 1e-12);
}

TEST(MixturePrior, DensityIntegratesToOne) {
  const auto prior = known_mixture();
  EXPECT_NEAR(integral([&](const auto& z) { return prior->log_density(z.unsqueeze(1), {}).exp(); },
                       -15.0, 20.0),
              1.0, 1e-9);
}

TEST(MixturePrior, OneComponentIsAGaussian) {
  const auto prior = mixture(1, 3);
  const auto mean = torch::tensor({{0.3, -1.0, 2.0}});
  const auto log_variance = torch::tensor({{0.5, -2.0, 0.0}});
  set(*prior, "mean", mean);
  set(*prior, "log_variance", log_variance);
  const auto z = normal_noise({1, Purpose::kPosterior}, indices_up_to(6), 0, {3}, torch::kDouble);
  const DiagonalGaussian gaussian(mean.to(torch::kDouble), log_variance.to(torch::kDouble));
  EXPECT_TRUE(torch::allclose(prior->log_density(z, {}), gaussian.log_density(z), 1e-12, 1e-12));
}

// Frequencies, moments and the mean log density at 4 standard errors.
TEST(MixturePrior, SamplesFollowTheDensity) {
  constexpr std::int64_t kCount = 100000;
  const auto prior = known_mixture();
  const auto z =
      prior->sample({1, Purpose::kSampling}, indices_up_to(kCount), 0, {}, torch::kDouble);
  const auto density = [&](const torch::Tensor& x) {
    return prior->log_density(x.unsqueeze(1), {});
  };
  for (const double cut : {-2.0, 0.0, 1.5, 2.9}) {
    expect_mean(z.lt(cut), integral([&](const auto& x) { return density(x).exp(); }, -15.0, cut));
  }
  expect_mean(z, -0.4 + 0.25 + 0.9);
  expect_mean(prior->log_density(z, {}),
              integral([&](const auto& x) { return density(x).exp() * density(x); }, -15.0, 20.0));
}

// The variates do not depend on which component was chosen.
TEST(MixturePrior, ComponentAndVariatesAreIndependent) {
  constexpr std::int64_t kCount = 100000;
  const auto prior = mixture(2, 2);
  const auto far = torch::tensor({{-100.0, 0.0}, {100.0, 0.0}});
  set(*prior, "mean", far);
  const auto z =
      prior->sample({1, Purpose::kSampling}, indices_up_to(kCount), 0, {}, torch::kFloat);
  const auto side = z.select(1, 0).sign();
  expect_mean(side, 0.0);
  expect_mean(side * z.select(1, 1), 0.0);
  expect_mean(z.select(1, 0) - 100.0 * side, 0.0);
  expect_mean(side * (z.select(1, 0) - 100.0 * side), 0.0);
}

TEST(MixturePrior, BeginsAlikeWithDifferentMeans) {
  const auto first = mixture(5, 4)->named_parameters();
  const auto second = mixture(5, 4)->named_parameters();
  EXPECT_TRUE(torch::equal(first["mean"], second["mean"]));
  EXPECT_GT(torch::pdist(first["mean"].detach()).min().item<double>(), 0.1);
}

TEST(MixturePrior, EveryParameterLearns) {
  const auto prior = mixture(3, 2);
  prior->log_density(torch::ones({4, 2}), {}).sum().backward();
  for (const auto& item : prior->named_parameters()) {
    EXPECT_GT(item.value().grad().abs().sum().item<double>(), 0) << item.key();
  }
}

TEST(MixturePrior, KlIsEstimatedFromDraws) {
  const auto prior = mixture(3, 2);
  EXPECT_EQ(prior->posterior_parameters(), 4);
  EXPECT_FALSE(prior->kl_by_latent(*prior->posterior(torch::zeros({1, 4})), {}).has_value());
}

TEST(MixturePrior, FloatAgreesWithDouble) {
  const auto prior = mixture(20, 8);
  const auto z =
      2 * normal_noise({1, Purpose::kPosterior}, indices_up_to(6), 0, {8}, torch::kFloat);
  EXPECT_TRUE(torch::allclose(prior->log_density(z, {}).to(torch::kDouble),
                              prior->log_density(z.to(torch::kDouble), {}), 1e-5, 1e-5));
}

TEST(MixturePrior, NoComponentsAreRefused) { EXPECT_THROW(mixture(0, 2), ConfigError); }

}  // namespace
}  // namespace elbow
