#include "trainer/model/uniform_prior.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/trainer/model/prior_checks.h"
#include "trainer/model/diagonal_gaussian.h"

namespace elbow {
namespace {

std::shared_ptr<Prior> uniform(std::int64_t latent) {
  PriorOptions options;
  options.latent = latent;
  return make_uniform_prior(options, {});
}

TEST(UniformPrior, DensityIsThatOfTheCube) {
  const auto z = torch::tensor({{0.0, 0.5, -0.9}, {1.0, -1.0, 1.0}, {0.0, 1.001, 0.0}});
  const auto log_p = uniform(3)->log_density(z, {});
  EXPECT_NEAR(log_p[0].item<double>(), -3 * std::log(2.0), 1e-6);
  EXPECT_NEAR(log_p[1].item<double>(), -3 * std::log(2.0), 1e-6);
  EXPECT_TRUE(log_p[2].isneginf().item<bool>());
}

TEST(UniformPrior, SamplesAreUniformOnTheInterval) {
  constexpr std::int64_t kCount = 100000;
  const auto indices = indices_up_to(kCount);
  const auto z = uniform(2)->sample({1, Purpose::kSampling}, indices, 0, {}, torch::kFloat);
  EXPECT_EQ(z.sizes(), (std::vector<std::int64_t>{kCount, 2}));
  EXPECT_TRUE(z.abs().le(1.0).all().item<bool>());
  for (std::int64_t d = 0; d < 2; ++d) {
    expect_mean(z.select(1, d), 0.0);
    expect_mean(z.select(1, d).square(), 1.0 / 3.0);
    expect_mean(z.select(1, d).gt(0.6), 0.2);
  }
  expect_mean(z.select(1, 0) * z.select(1, 1), 0.0);
}

TEST(UniformPrior, KlToItsPosteriorIsTheMeanLogRatio) {
  constexpr std::int64_t kCount = 100000;
  const auto prior = uniform(2);
  EXPECT_EQ(prior->posterior_parameters(), 4);
  const auto output = torch::tensor({0.5, -2.0, -1.6, 0.3}, torch::kDouble).expand({kCount, 4});
  const auto q = prior->posterior(output);
  const auto z = q->draw(q->noise({1, Purpose::kPosterior}, indices_up_to(kCount), 0));
  const auto kl = *prior->kl_by_latent(*q, {});
  EXPECT_EQ(kl.size(1), 2);
  expect_mean(q->log_density(z) - prior->log_density(z, {}), kl[0].sum().item<double>());
}

TEST(UniformPrior, HasNoClosedKlForOtherPosteriors) {
  EXPECT_FALSE(uniform(1)->kl_by_latent(DiagonalGaussian(torch::zeros({1, 2})), {}).has_value());
}

}  // namespace
}  // namespace elbow
