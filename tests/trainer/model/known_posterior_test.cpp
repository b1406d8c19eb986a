// Estimates where the posterior N(m, v) is known and the encoder gives q = N(m, 2v). The answers
// follow from the weight w/p = prod_d sqrt(2) exp(-u_d^2 / 2), u ~ N(0, I): the ELBO's gap is
// d/2 (1 - ln 2), ESS/K tends to (3/4)^(d/2). Seeds are fixed; SE is a test's own standard error.
#include <cmath>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/trainer/model/linear_model.h"

namespace elbow {
namespace {

struct Mean {
  double value;
  double error;
};

Mean mean_of(const std::vector<double>& values) {
  double sum = 0;
  double squares = 0;
  for (const double value : values) {
    sum += value;
    squares += value * value;
  }
  const auto count = static_cast<double>(values.size());
  const double mean = sum / count;
  return {mean, std::sqrt((squares / count - mean * mean) / (count - 1))};
}

struct Case {
  BlockFigures figures;
  std::vector<double> exact;  // log p(x)
};

Case evaluate_widened(std::int64_t latent, std::int64_t images, std::int64_t samples) {
  const auto model = LinearModel::simulated(6, latent, 0.5);
  const auto x = model.sample(images, 11);
  const auto exact = model.log_density(x);
  const auto indices = first_indices(images);
  const auto vae = model.vae(2.0);
  return {vae->evaluate({x, indices}, {samples}, evaluation_noise()),
          {exact.data_ptr<double>(), exact.data_ptr<double>() + images}};
}

std::vector<double> gaps(const std::vector<double>& exact, const std::vector<double>& estimate) {
  std::vector<double> result;
  for (std::size_t i = 0; i < exact.size(); ++i) result.push_back(exact[i] - estimate[i]);
  return result;
}

TEST(KnownPosterior, ElboGapIsTheDivergenceOfTheEncoder) {
  const auto run = evaluate_widened(4, 2000, 50);
  const auto gap = mean_of(gaps(run.exact, run.figures.elbo));
  std::printf("ELBO gap %.5f +- %.5f, answer .6137\n", gap.value, gap.error);
  EXPECT_NEAR(gap.value, 2 * (1 - std::log(2.0)), 4 * gap.error);
  EXPECT_LT(gap.error, 0.01);
}

TEST(KnownPosterior, GapOfTwoSamples) {
  const auto run = evaluate_widened(4, 40000, 2);
  const auto gap = mean_of(gaps(run.exact, run.figures.log_likelihood));
  std::printf("IWAE-2 gap %.5f +- %.5f, answer .2593\n", gap.value, gap.error);
  EXPECT_NEAR(gap.value, 0.2593, 4 * gap.error + 5e-5);  // the answer is given to four digits
  EXPECT_LT(gap.error, 0.005);
}

TEST(KnownPosterior, EffectiveSampleSize) {
  constexpr int kSamples = 4000;
  const auto run = evaluate_widened(4, 100, kSamples);
  auto share = run.figures.effective_sample_size;
  for (double& value : share) value /= kSamples;
  const auto mean = mean_of(share);
  std::printf("ESS/K %.5f +- %.5f, answer .5625\n", mean.value, mean.error);
  EXPECT_NEAR(mean.value, 0.5625, 4 * mean.error);
  EXPECT_LT(mean.error, 0.005);
}

TEST(KnownPosterior, EstimateIsUnbiasedForTheDensity) {
  constexpr std::int64_t kDraws = 100000;
  const auto model = LinearModel::simulated(6, 2, 0.5);
  const auto x = model.sample(1, 11);
  const double exact = model.log_density(x).item<double>();
  const auto indices = first_indices(kDraws);
  const auto figures =
      model.vae(2.0)->evaluate({x.expand({kDraws, 6}), indices}, {1}, evaluation_noise());
  double sum = 0;
  for (const double estimate : figures.log_likelihood) sum += std::exp(estimate - exact);
  std::printf("mean of w/p %.5f, answer 1 +- .0073\n", sum / kDraws);
  EXPECT_NEAR(sum / kDraws, 1.0, 0.0073);  // 4 SE: Var w/p = 1/3
}

TEST(KnownPosterior, ErrorBarsAreHonest) {
  const auto run = evaluate_widened(4, 2000, 100);
  int covered = 0;
  for (std::size_t i = 0; i < run.exact.size(); ++i) {
    const double bar = 1.96 * std::sqrt(run.figures.log_likelihood_variance[i]);
    covered += std::abs(run.figures.log_likelihood[i] - run.exact[i]) <= bar ? 1 : 0;
  }
  const double share = covered / static_cast<double>(run.exact.size());
  std::printf("95%% intervals cover %.2f%%\n", 100 * share);
  EXPECT_GE(share, 0.93);
  EXPECT_LE(share, 0.97);
}

TEST(KnownPosterior, EstimateGrowsTowardsTheTruthWithSamples) {
  double last = -1e9;
  for (const std::int64_t samples : {1, 4, 16, 64, 256}) {
    const auto run = evaluate_widened(4, 1000, samples);
    const auto gap = mean_of(gaps(run.exact, run.figures.log_likelihood));
    EXPECT_GT(-gap.value, last) << samples;
    last = -gap.value;
  }
  EXPECT_NEAR(last, 0, 0.02);
}

}  // namespace
}  // namespace elbow
