#include "trainer/evaluation/evaluator.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/trainer/training/small_job.h"

namespace elbow {
namespace {

using test::SmallJob;
using test::TemporaryFolder;

class Evaluator : public testing::Test {
 protected:
  Evaluator() { test::write_small_images(file_, 23); }

  TemporaryFolder folder_;
  std::string file_ = folder_ / "images.h5";
  std::unique_ptr<Communicator> comm_ = make_single_communicator();
};

// Means, spread and errors against two-pass formulas over the per-image values.
TEST_F(Evaluator, FiguresSummariseTheImages) {
  SmallJob job(file_, 0);
  BlockFigures all;
  std::vector<std::int64_t> order;
  const Figures figures = job.evaluate(
      *comm_, 5, [&](std::span<const std::int64_t> indices, const BlockFigures& block) {
        order.insert(order.end(), indices.begin(), indices.end());
        const auto add = [](std::vector<double>& to, const std::vector<double>& from) {
          to.insert(to.end(), from.begin(), from.end());
        };
        add(all.elbo, block.elbo);
        add(all.reconstruction, block.reconstruction);
        add(all.kl, block.kl);
        add(all.log_likelihood, block.log_likelihood);
        add(all.effective_sample_size, block.effective_sample_size);
        add(all.log_likelihood_variance, block.log_likelihood_variance);
      });
  ASSERT_EQ(order.size(), 23U);
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], static_cast<std::int64_t>(i));

  const auto mean = [](const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  };
  EXPECT_EQ(figures.count, 23);
  EXPECT_EQ(figures.samples, 7);
  EXPECT_NEAR(figures.elbo, mean(all.elbo), 1e-10);
  EXPECT_NEAR(figures.elbo, figures.reconstruction - figures.kl, 1e-6);
  EXPECT_NEAR(figures.kl, mean(all.kl), 1e-10);
  EXPECT_NEAR(figures.effective_sample_size, mean(all.effective_sample_size), 1e-10);
  const double log_likelihood = mean(all.log_likelihood);
  EXPECT_NEAR(figures.log_likelihood, log_likelihood, 1e-10);
  double squares = 0;
  for (const double value : all.log_likelihood) squares += std::pow(value - log_likelihood, 2);
  EXPECT_NEAR(figures.standard_error, std::sqrt(squares / 22 / 23), 1e-9);
  EXPECT_NEAR(figures.monte_carlo_error, std::sqrt(mean(all.log_likelihood_variance) / 23), 1e-9);
  EXPECT_GE(figures.log_likelihood, figures.elbo);
}

TEST_F(Evaluator, AnImagesFiguresDoNotDependOnItsBlockMates) {
  SmallJob job(file_, 0);
  const auto per_image = [&](std::int64_t block) {
    std::vector<double> values;
    job.evaluate(*comm_, block, [&](auto, const BlockFigures& figures) {
      values.insert(values.end(), figures.log_likelihood.begin(), figures.log_likelihood.end());
    });
    return values;
  };
  const auto small = per_image(4);
  const auto large = per_image(23);
  ASSERT_EQ(small.size(), large.size());
  for (std::size_t i = 0; i < small.size(); ++i) {
    EXPECT_NEAR(small[i], large[i], 1e-5 * std::abs(large[i]));
  }
}

Figures some_figures() {
  Figures figures;
  figures.count = 2;
  figures.samples = 100;
  figures.elbo = 1.5;
  figures.reconstruction = 2.5;
  figures.kl = 1.0;
  figures.log_likelihood = 1.75;
  figures.standard_error = 0.5;
  figures.monte_carlo_error = 0.25;
  figures.effective_sample_size = 50;
  return figures;
}

TEST(FiguresJson, HoldsEveryFigureOfADensity) {
  const Observation observation({}, {{4, 4}, ValueType::kUint8}, "gaussian");
  const auto json = to_json(some_figures(), observation, {{"seed", 1}});
  for (const char* key :
       {"count", "samples", "elbo", "reconstruction", "kl", "log_likelihood", "standard_error",
        "monte_carlo_error", "effective_sample_size", "bits_per_dim"}) {
    EXPECT_TRUE(json.at(key).is_number()) << key;
  }
  // 8 - 1.75 / (16 ln 2)
  EXPECT_NEAR(json.at("bits_per_dim").get<double>(), 7.84220523, 1e-8);
  EXPECT_EQ(json.at("about").at("seed"), 1);
}

// A likelihood of x given c has a name of its own, so that nothing takes it for one of x.
TEST(FiguresJson, NamesWhatIsOfXGivenC) {
  const Observation observation({}, {{4, 4}, ValueType::kUint8}, "gaussian");
  Figures figures = some_figures();
  figures.given_c = true;
  const auto json = to_json(figures, observation, {});
  EXPECT_EQ(json.at("log_likelihood_given_c"), 1.75);
  EXPECT_NEAR(json.at("bits_per_dim_given_c").get<double>(), 7.84220523, 1e-8);
  EXPECT_FALSE(json.contains("log_likelihood"));
  EXPECT_FALSE(json.contains("bits_per_dim"));
  EXPECT_TRUE(json.at("about").contains("given_c"));
}

TEST(FiguresJson, SaysWhyAFigureIsInfinite) {
  const Observation observation({}, {{4, 4}, ValueType::kUint8}, "gaussian");
  Figures figures = some_figures();
  figures.own = {
      {{"log_joint", "log p(x, c)", "p(c) is 0"}, -std::numeric_limits<double>::infinity()}};
  const auto json = to_json(figures, observation, {});
  EXPECT_TRUE(json.at("log_joint").is_null());
  EXPECT_EQ(json.at("about").at("no_log_joint"), "p(c) is 0");
}

TEST(FiguresJson, ClaimsNoLikelihoodForBernoulliOnGrey) {
  const Observation observation({"raw", "auto"}, {{4, 4}, ValueType::kUint8}, "bernoulli");
  const auto json = to_json(some_figures(), observation, {});
  for (const char* key : {"elbo", "log_likelihood", "standard_error", "monte_carlo_error",
                          "effective_sample_size", "bits_per_dim"}) {
    EXPECT_TRUE(json.at(key).is_null()) << key;
  }
  EXPECT_TRUE(json.at("kl").is_number());
  EXPECT_FALSE(json.at("about").at("no_likelihood").get<std::string>().empty());
}

TEST(FiguresJson, OneImageHasNoStandardError) {
  const Observation observation({}, {{4, 4}, ValueType::kUint8}, "gaussian");
  Figures figures = some_figures();
  figures.count = 1;
  figures.standard_error = std::numeric_limits<double>::quiet_NaN();
  const auto json = to_json(figures, observation, {});
  EXPECT_TRUE(json.at("standard_error").is_null());
  EXPECT_TRUE(json.at("about").contains("no_standard_error"));
}

}  // namespace
}  // namespace elbow
