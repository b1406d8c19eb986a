#include "trainer/model/importance_weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace elbow {
namespace {

struct Answer {
  double log_likelihood;
  double ess;
};

// In two passes, as the formulas stand.
Answer in_two_passes(const std::vector<double>& log_weights) {
  const double largest = *std::max_element(log_weights.begin(), log_weights.end());
  double sum = 0;
  double squares = 0;
  for (const double value : log_weights) {
    sum += std::exp(value - largest);
    squares += std::exp(2 * (value - largest));
  }
  const auto count = static_cast<double>(log_weights.size());
  return {largest + std::log(sum / count), sum * sum / squares};
}

TEST(ImportanceWeights, MatchTheFormulasAtAnyMagnitude) {
  std::mt19937_64 generator(1);
  for (const double centre : {0.0, -1e5, 1e5}) {
    for (const double spread : {0.1, 3.0, 100.0}) {
      std::normal_distribution<double> normal(centre, spread);
      std::vector<double> all;
      ImportanceWeights weights(1);
      for (int k = 0; k < 1000; ++k) {
        all.push_back(normal(generator));
        weights.add({&all.back(), 1});
      }
      const Answer answer = in_two_passes(all);
      EXPECT_NEAR(weights.log_likelihood()[0], answer.log_likelihood, 1e-9);
      EXPECT_NEAR(weights.effective_sample_size()[0], answer.ess, 1e-9 * answer.ess);
      EXPECT_NEAR(weights.log_likelihood_variance()[0], 1 / answer.ess - 1e-3, 1e-12);
    }
  }
}

TEST(ImportanceWeights, EqualWeightsCountFully) {
  ImportanceWeights weights(2);
  const std::vector<double> draw = {-700.0, 3.0};
  for (int k = 0; k < 100; ++k) weights.add(draw);
  EXPECT_EQ(weights.draws(), 100);
  EXPECT_THAT(weights.log_likelihood(), testing::ElementsAre(-700.0, 3.0));
  EXPECT_THAT(weights.effective_sample_size(), testing::ElementsAre(100.0, 100.0));
  EXPECT_THAT(weights.log_likelihood_variance(), testing::ElementsAre(0.0, 0.0));
}

TEST(ImportanceWeights, WeightOfZeroCountsAsADraw) {
  const double zero = -std::numeric_limits<double>::infinity();
  ImportanceWeights weights(1);
  for (const double value : {zero, 0.0, zero, 0.0}) weights.add({&value, 1});
  EXPECT_DOUBLE_EQ(weights.log_likelihood()[0], std::log(0.5));
  EXPECT_DOUBLE_EQ(weights.effective_sample_size()[0], 2.0);
}

TEST(ImportanceWeights, NotANumberStaysInItsSample) {
  ImportanceWeights weights(2);
  weights.add(std::vector<double>{0.0, 0.0});
  weights.add(std::vector<double>{std::nan(""), 0.0});
  weights.add(std::vector<double>{1.0, 0.0});
  EXPECT_TRUE(std::isnan(weights.log_likelihood()[0]));
  EXPECT_EQ(weights.log_likelihood()[1], 0.0);
}

TEST(ImportanceWeights, RefusesAnotherNumberOfSamples) {
  ImportanceWeights weights(2);
  EXPECT_THROW(weights.add(std::vector<double>{0.0}), Error);
}

}  // namespace
}  // namespace elbow
