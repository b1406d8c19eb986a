// Likelihoods over whole 8-bit values.
#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/trainer/model/likelihood_cases.h"
#include "trainer/model/keyed_noise.h"
#include "trainer/model/scaled_likelihood.h"

namespace elbow {
namespace {

const std::vector<double> kScales = {1e-3, 3e-3, 0.01, 0.1, 1.0};
const std::vector<double> kCentres = {-1.0, -0.002, 0.0, 0.3, 127.0 / 256, 255.0 / 256, 1.0, 2.0};
constexpr double kDeviationOfScale = std::numbers::pi / std::numbers::sqrt3;

// By the scale s of its distribution function.
std::shared_ptr<Likelihood> logistic(double s, std::int64_t levels = 256) {
  return likelihood_of("discretised-logistic", fmt::format("{}", s * kDeviationOfScale), 1, levels);
}

// [levels, 1]: each value once.
torch::Tensor every_value(std::int64_t levels) {
  return torch::arange(levels, torch::kDouble).unsqueeze(1) / static_cast<double>(levels);
}

torch::Tensor one_centre(double centre, std::int64_t count) {
  return torch::full({count, 1, 1}, centre, torch::kDouble);
}

TEST(DiscretisedLogistic, SumsToOne) {
  for (const std::int64_t levels : {2, 5, 256}) {
    for (const double s : kScales) {
      for (const double centre : kCentres) {
        const auto log_p =
            logistic(s, levels)->log_density(every_value(levels), one_centre(centre, levels));
        EXPECT_NEAR(log_p.exp().sum().item<double>(), 1, 1e-12) << levels << " " << s << centre;
      }
    }
  }
}

// The formula as it is written, whose difference is good to the last digit of a number near 1.
TEST(DiscretisedLogistic, HasItsFormula) {
  const double s = 0.05;
  const double centre = 0.3;
  const auto cdf = [&](double y) { return 1 / (1 + std::exp((centre - y) / s)); };
  const auto log_p = logistic(s)->log_density(every_value(256), one_centre(centre, 256));
  for (int k = 0; k < 256; ++k) {
    const double upper = k == 255 ? 1.0 : cdf((k + 0.5) / 256);
    const double lower = k == 0 ? 0.0 : cdf((k - 0.5) / 256);
    EXPECT_NEAR(std::exp(log_p[k].item<double>()), upper - lower, 1e-15) << k;
  }
}

TEST(DiscretisedLogistic, GradientsAreFiniteInFloat) {
  for (const double s : kScales) {
    for (const double centre : kCentres) {
      auto output = torch::full({256, 1, 1}, centre, torch::kFloat).requires_grad_();
      const auto likelihood = likelihood_of("discretised-logistic", "learned");
      std::dynamic_pointer_cast<ScaledLikelihood>(likelihood)->set_sigma(s * kDeviationOfScale);
      const auto log_p = likelihood->log_density(every_value(256).to(torch::kFloat), output);
      EXPECT_TRUE(log_p.isfinite().all().item<bool>()) << s << " " << centre;
      log_p.sum().backward();
      EXPECT_TRUE(output.grad().isfinite().all().item<bool>()) << s << " " << centre;
      EXPECT_TRUE(likelihood->parameters()[0].grad().isfinite().item<bool>()) << s << centre;
      // Towards the value, and not lost far away: a centre above 1 is pulled down by black.
      if (centre >= 1) {
        EXPECT_LT(output.grad()[0].item<float>(), -0.4 / s);
      }
      if (centre <= -1) {
        EXPECT_GT(output.grad()[255].item<float>(), 0.4 / s);
      }
    }
  }
}

TEST(DiscretisedLogistic, GradientsAreTheDerivatives) {
  const double step = 1e-6;
  for (const double s : {0.01, 0.3}) {
    for (const double centre : {-0.1, 0.3, 1.0}) {
      const auto likelihood = logistic(s);
      auto output = one_centre(centre, 256).requires_grad_();
      likelihood->log_density(every_value(256), output).sum().backward();
      const auto difference =
          (likelihood->log_density(every_value(256), one_centre(centre + step, 256)) -
           likelihood->log_density(every_value(256), one_centre(centre - step, 256))) /
          (2 * step);
      EXPECT_TRUE(torch::allclose(output.grad().flatten(), difference, 1e-5, 1e-5)) << s << centre;
    }
  }
}

TEST(DiscretisedLogistic, FloatKeepsItsDigits) {
  for (const double s : kScales) {
    for (const double centre : kCentres) {
      const auto exact = logistic(s)->log_density(every_value(256), one_centre(centre, 256));
      const auto single = logistic(s)->log_density(every_value(256).to(torch::kFloat),
                                                   one_centre(centre, 256).to(torch::kFloat));
      EXPECT_EQ(single.scalar_type(), torch::kFloat);
      // An offset of x in [0, 1) from a centre up to 2 is exact to 1.2e-7, in units of s.
      const auto error = (single - exact).abs() / (exact.abs().clamp_min(1) + 0.01 / s);
      EXPECT_LT(error.max().item<double>(), 2e-5) << s << " " << centre;
    }
  }
}

TEST(DiscretisedLogistic, MeanIsTheSumOverItsValues) {
  for (const std::int64_t levels : {3, 256}) {
    for (const double s : kScales) {
      for (const double centre : kCentres) {
        const auto likelihood = logistic(s, levels);
        const auto x = every_value(levels);
        const auto p = likelihood->log_density(x, one_centre(centre, levels)).exp();
        EXPECT_NEAR(likelihood->mean(one_centre(centre, 1)).item<double>(),
                    (p * x.squeeze(1)).sum().item<double>(), 1e-12)
            << levels << " " << s << " " << centre;
      }
    }
  }
}

// Frequencies of `count` draws within 4 SE of the probabilities; values that are expected fewer
// than 20 times are counted together, so that a normal error is right.
void expect_frequencies(const torch::Tensor& drawn, const torch::Tensor& p) {
  const auto count = static_cast<double>(drawn.numel());
  const auto frequent = p * count >= 20;
  const auto counts = torch::bincount(drawn.to(torch::kLong), {}, p.numel()).to(torch::kDouble);
  ASSERT_EQ(counts.numel(), p.numel());
  const auto error = (p * (1 - p) * count).sqrt();
  const auto distance = ((counts - p * count) / error).masked_select(frequent).abs();
  EXPECT_LT(distance.max().item<double>(), 4);
  const double rare = p.masked_select(frequent.logical_not()).sum().item<double>();
  const double rarely = counts.masked_select(frequent.logical_not()).sum().item<double>();
  EXPECT_NEAR(rarely, rare * count, 4 * std::sqrt(rare * count) + 1);
}

TEST(DiscretisedLogistic, SamplesFollowTheirProbabilities) {
  constexpr std::int64_t kCount = 100000;
  for (const double centre : {-0.05, 0.5, 0.98}) {
    const auto likelihood = logistic(0.02);
    const auto indices = indices_below(kCount);
    const auto x = likelihood->sample(torch::full({kCount, 1, 1}, centre, torch::kFloat),
                                      {1, Purpose::kSampling}, indices, 1);
    EXPECT_EQ(x.scalar_type(), torch::kFloat);
    EXPECT_TRUE(torch::equal((x * 256).round(), x * 256));
    const auto p = likelihood->log_density(every_value(256), one_centre(centre, 256)).exp();
    expect_frequencies((x * 256).flatten(), p);
  }
}

TEST(DiscretisedLogistic, SamplesAreKeyed) {
  const auto likelihood = logistic(0.1);
  const NoiseKey key{1, Purpose::kSampling};
  const std::vector<std::int64_t> both = {3, 8};
  const std::vector<std::int64_t> second = {8};
  const auto x = likelihood->sample(one_centre(0.5, 2), key, both, 1);
  EXPECT_TRUE(torch::equal(x[1], likelihood->sample(one_centre(0.5, 1), key, second, 1)[0]));
  EXPECT_FALSE(torch::equal(x[1], likelihood->sample(one_centre(0.5, 1), key, second, 2)[0]));
}

// Logits of every size, and [B, levels, D] of them for D = 2 variables.
torch::Tensor logits(std::int64_t levels, double size) {
  const std::vector<std::int64_t> row = {4};
  return size * normal_noise({2, Purpose::kSampling}, row, 0, {levels, 2}, torch::kDouble);
}

TEST(Categorical, SumsToOne) {
  for (const std::int64_t levels : {2, 7, 256}) {
    for (const double size : {0.0, 1.0, 100.0}) {
      const auto likelihood = likelihood_of("categorical", "learned", 2, levels);
      EXPECT_EQ(likelihood->parameters_per_variable(), levels);
      const auto x =
          torch::cartesian_prod({every_value(levels).squeeze(1), every_value(levels).squeeze(1)});
      const auto output = logits(levels, size).expand({x.size(0), levels, 2});
      EXPECT_NEAR(likelihood->log_density(x, output).exp().sum().item<double>(), 1, 1e-12);
    }
  }
}

TEST(Categorical, HasItsFormula) {
  const auto likelihood = likelihood_of("categorical", "learned", 2, 3);
  const auto output = torch::tensor({{{0.5, 2.0}, {-1.0, 0.0}, {1.5, 1.0}}}, torch::kDouble);
  const auto x = torch::tensor({{2.0 / 3, 1.0 / 3}}, torch::kDouble);
  const double first = std::exp(0.5) + std::exp(-1.0) + std::exp(1.5);
  const double second = std::exp(2.0) + 1 + std::exp(1.0);
  EXPECT_NEAR(likelihood->log_density(x, output).item<double>(),
              1.5 - std::log(first) - std::log(second), 1e-12);
  const auto mean = likelihood->mean(output);
  EXPECT_NEAR(mean[0][0].item<double>(), (std::exp(-1.0) + 2 * std::exp(1.5)) / first / 3, 1e-12);
  EXPECT_NEAR(mean[0][1].item<double>(), (1 + 2 * std::exp(1.0)) / second / 3, 1e-12);
}

TEST(Categorical, FloatFindsEveryLevel) {
  for (const std::int64_t levels : {2, 3, 7, 100, 255, 256}) {
    const auto likelihood = likelihood_of("categorical", "learned", 1, levels);
    const auto output = logits(levels, 3).narrow(2, 0, 1).expand({levels, levels, 1});
    const auto exact = likelihood->log_density(every_value(levels), output);
    const auto single =
        likelihood->log_density(every_value(levels).to(torch::kFloat), output.to(torch::kFloat));
    EXPECT_TRUE(torch::allclose(single.to(torch::kDouble), exact, 1e-5, 1e-5)) << levels;
  }
}

TEST(Categorical, StaysFiniteAtExtremeLogits) {
  const auto likelihood = likelihood_of("categorical", "learned", 1, 2);
  auto output = torch::tensor({1000.0F, -1000.0F}).view({1, 2, 1}).clone().requires_grad_();
  const auto log_p = likelihood->log_density(torch::tensor({{0.5F}}), output);
  EXPECT_FLOAT_EQ(log_p.item<float>(), -2000.0F);
  log_p.sum().backward();
  EXPECT_TRUE(torch::equal(output.grad().flatten(), torch::tensor({-1.0F, 1.0F})));
}

// Two levels are a Bernoulli variable whose logit is the difference.
TEST(Categorical, OfTwoLevelsIsBernoulli) {
  const auto categorical = likelihood_of("categorical", "learned", 2, 2);
  const auto bernoulli = likelihood_of("bernoulli", "learned", 2);
  const auto bits = torch::tensor({{0.0, 1.0}, {1.0, 1.0}}, torch::kDouble);
  const auto output = logits(2, 3).expand({2, 2, 2});
  const auto logit = output.narrow(1, 1, 1) - output.narrow(1, 0, 1);
  EXPECT_TRUE(torch::allclose(categorical->log_density(bits / 2, output),
                              bernoulli->log_density(bits, logit), 1e-12, 1e-12));
}

TEST(Categorical, SamplesFollowTheirProbabilities) {
  constexpr std::int64_t kCount = 100000;
  constexpr std::int64_t kLevels = 5;
  const auto likelihood = likelihood_of("categorical", "learned", 2, kLevels);
  const auto output = logits(kLevels, 1.5).expand({kCount, kLevels, 2});
  const auto x = likelihood->sample(output.to(torch::kFloat), {1, Purpose::kSampling},
                                    indices_below(kCount), 1);
  EXPECT_EQ(x.sizes(), (std::vector<std::int64_t>{kCount, 2}));
  for (std::int64_t d = 0; d < 2; ++d) {
    expect_frequencies((x.select(1, d) * kLevels).round(), output[0].select(1, d).softmax(0));
  }
}

TEST(Categorical, CertainLevelsAreDrawnAlways) {
  const auto likelihood = likelihood_of("categorical", "learned", 1, 4);
  for (std::int64_t level = 0; level < 4; ++level) {
    auto output = torch::zeros({1000, 4, 1});
    output.select(1, level).fill_(200);
    const auto x = likelihood->sample(output, {1, Purpose::kSampling}, indices_below(1000), 0);
    EXPECT_TRUE((x * 4 == level).all().item<bool>()) << level;
  }
}

TEST(Levels, SummariesSayWhatIsDone) {
  EXPECT_EQ(likelihood_of("categorical", "learned", 1, 16)->summary(),
            "categorical likelihood over 16 levels");
  EXPECT_EQ(likelihood_of("discretised-logistic", "0.1")->summary(),
            "discretised logistic likelihood, sigma 0.1 (fixed)");
}

TEST(Levels, OtherLevelsThanTheObservationsAreRefused) {
  for (const char* name : {"categorical", "discretised-logistic"}) {
    LikelihoodOptions options;
    options.likelihood = name;
    options.levels = 16;
    const auto observation = vectors_for(options, 2);
    EXPECT_NO_THROW(make_likelihood(options, observation));
    options.levels = 8;
    EXPECT_THROW(make_likelihood(options, observation), Error);
  }
}

TEST(Levels, OptionIsDeclaredWithBounds) {
  LikelihoodOptions options;
  OptionTable table;
  declare(table, options);
  table.apply_toml("[model]\nlevels = 16\nlikelihood = \"categorical\"", "c");
  EXPECT_EQ(options.levels, 16);
  EXPECT_EQ(table.to_json("model")["levels"], 16);
  for (const char* levels : {"1", "257", "-1", "many"}) {
    EXPECT_THROW(table.apply_text("model.levels", levels, "c"), ConfigError) << levels;
  }
}

}  // namespace
}  // namespace elbow
