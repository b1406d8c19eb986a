#include "trainer/model/gaussian_prior.h"

#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace elbow {
namespace {

PriorOptions with_latent(std::int64_t latent) {
  PriorOptions options;
  options.latent = latent;
  return options;
}

TEST(GaussianPrior, DensityIntegratesToOne) {
  const auto prior = make_prior(with_latent(1));
  const double step = 1e-3;
  const auto z = torch::arange(-10.0, 10.0, step, torch::kDouble).unsqueeze(1);
  EXPECT_NEAR(prior->log_density(z, {}).exp().sum().item<double>() * step, 1, 1e-6);
}

TEST(GaussianPrior, DensitySumsOverLatents) {
  const auto prior = make_prior(with_latent(3));
  const auto z = torch::tensor({{1.0, -2.0, 0.5}}, torch::kDouble);
  EXPECT_NEAR(prior->log_density(z, {}).item<double>(),
              -0.5 * (1 + 4 + 0.25) - 1.5 * std::log(2 * std::numbers::pi), 1e-12);
}

TEST(GaussianPrior, SamplesAreKeyedStandardNormals) {
  const auto prior = make_prior(with_latent(3));
  const std::vector<std::int64_t> indices = {2, 8};
  const NoiseKey key{1, Purpose::kSampling};
  EXPECT_TRUE(torch::equal(prior->sample(key, indices, 0, {}, torch::kFloat),
                           normal_noise(key, indices, 0, {3}, torch::kFloat)));
}

TEST(GaussianPrior, KlToItsPosteriorIsTheMeanLogRatio) {
  const auto prior = make_prior(with_latent(2));
  EXPECT_EQ(prior->posterior_parameters(), 4);
  constexpr std::int64_t kCount = 100000;
  std::vector<std::int64_t> indices(kCount);
  for (std::int64_t i = 0; i < kCount; ++i) indices[static_cast<std::size_t>(i)] = i;
  const auto output = torch::tensor({0.5, -1.0, -0.6, 0.3}, torch::kDouble).expand({kCount, 4});
  const auto q = prior->posterior(output);
  const auto z = q->draw(q->noise({1, Purpose::kPosterior}, indices, 0));
  const auto ratio = q->log_density(z) - prior->log_density(z, {});
  const double error = ratio.std().item<double>() / std::sqrt(kCount);
  EXPECT_NEAR(ratio.mean().item<double>(), prior->kl_by_latent(*q, {})->sum(1)[0].item<double>(),
              4 * error);
}

TEST(GaussianPrior, UnknownPriorIsRefusedWithTheNearest) {
  PriorOptions options;
  options.prior = "gausian";
  try {
    make_prior(options);
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("gaussian"));
  }
}

}  // namespace
}  // namespace elbow
