#include "trainer/evaluation/walks.h"

#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trainer/model/model.h"

namespace elbow {
namespace {

using testing::ElementsAre;

std::shared_ptr<Procedure> model_with(const std::string& prior,
                                      std::vector<std::string> factors = {}) {
  ModelOptions options;
  options.prior = prior;
  options.latent = 3;
  options.categories = {2, 4};
  options.factors = std::move(factors);
  options.widths = {4};
  return make_model(options, Observation({"raw", "auto"}, {{5}, ValueType::kFloat32}, "gaussian"),
                    1);
}

TEST(LatentAxes, ANumberOfAGaussianHasNoLimit) {
  const auto axes = latent_axes(*model_with("gaussian"));
  ASSERT_EQ(axes.size(), 3U);
  EXPECT_EQ(axes[2].first, 2);
  EXPECT_EQ(axes[2].categories, 0);
  EXPECT_TRUE(std::isinf(axes[2].limit));
}

TEST(LatentAxes, OfAProductFollowEachOther) {
  const auto axes =
      latent_axes(*model_with("product", {"categorical 5", "uniform 2", "gaussian 1"}));
  ASSERT_EQ(axes.size(), 4U);
  EXPECT_EQ(axes[0].categories, 5);
  EXPECT_EQ(axes[1].first, 5);
  EXPECT_EQ(axes[1].limit, 1.0);
  EXPECT_EQ(axes[3].first, 7);
  EXPECT_TRUE(std::isinf(axes[3].limit));
}

TEST(LatentAxes, OneHotVariablesAreWalkedWhole) {
  const auto axes = latent_axes(*model_with("categorical"));
  ASSERT_EQ(axes.size(), 2U);
  EXPECT_EQ(axes[1].first, 2);
  const auto z = central_code(axes);
  EXPECT_TRUE(torch::equal(z, torch::tensor({1.0F, 0.0F, 1.0F, 0.0F, 0.0F, 0.0F})));
  const auto all = stops(axes[1], -3, 3, 9);
  EXPECT_THAT(all, ElementsAre(0, 1, 2, 3));
  const auto codes = walk(z, axes[1], all);
  EXPECT_TRUE(torch::equal(codes.narrow(1, 2, 4), torch::eye(4)));
  EXPECT_TRUE(torch::equal(codes[3].narrow(0, 0, 2), z.narrow(0, 0, 2)));
}

TEST(LatentAxes, AModelWithoutCodesHasNone) {
  ModelOptions options;
  options.kind = "pixelcnn";
  options.likelihood = "bernoulli";
  options.widths = {4};
  const auto model =
      make_model(options, Observation({}, {{4, 4}, ValueType::kUint8, 1}, "bernoulli"), 1);
  EXPECT_FALSE(has_codes(*model));
  EXPECT_TRUE(latent_axes(*model).empty());
  EXPECT_TRUE(has_codes(*model_with("gaussian")));
}

TEST(Stops, IncludeBothEndsAndKeepToTheLimit) {
  EXPECT_THAT(stops({0}, -2, 2, 5), ElementsAre(-2, -1, 0, 1, 2));
  EXPECT_THAT(stops({0, 0, 1.0}, -3, 3, 3), ElementsAre(-1, 0, 1));
  EXPECT_THAT(stops({0, 100}, 0, 0, 3), ElementsAre(0, 50, 99));
}

TEST(Walk, MovesNothingElse) {
  const auto z = torch::tensor({0.5F, -0.5F, 2.0F});
  const auto codes = walk(z, {1}, {-1, 1});
  EXPECT_TRUE(torch::equal(codes, torch::tensor({{0.5F, -1.0F, 2.0F}, {0.5F, 1.0F, 2.0F}})));
}

TEST(Between, LinearIsEven) {
  const auto codes =
      between(torch::tensor({0.0F, 2.0F}), torch::tensor({4.0F, 0.0F}), 5, Path::kLinear);
  EXPECT_TRUE(torch::allclose(codes[1], torch::tensor({1.0F, 1.5F})));
  EXPECT_TRUE(torch::equal(codes[0], torch::tensor({0.0F, 2.0F})));
  EXPECT_TRUE(torch::equal(codes[4], torch::tensor({4.0F, 0.0F})));
}

TEST(Between, SphericalTurnsAndStretchesEvenly) {
  const auto a = torch::tensor({2.0, 0.0}, torch::kDouble);
  const auto b = torch::tensor({0.0, 4.0}, torch::kDouble);
  const auto codes = between(a, b, 4, Path::kSpherical);
  for (std::int64_t i = 0; i < 4; ++i) {
    const double share = static_cast<double>(i) / 3;
    const double angle = share * std::numbers::pi / 2;
    const double length = 2 + 2 * share;
    EXPECT_NEAR(codes[i][0].item<double>(), length * std::cos(angle), 1e-12);
    EXPECT_NEAR(codes[i][1].item<double>(), length * std::sin(angle), 1e-12);
  }
}

TEST(Between, SphericalEndsAreTheCodesThemselves) {
  const auto a = torch::randn({20});
  const auto b = torch::randn({20});
  const auto codes = between(a, b, 7, Path::kSpherical);
  EXPECT_TRUE(torch::equal(codes[0], a));
  EXPECT_TRUE(torch::equal(codes[6], b));
}

TEST(Between, WhereThereIsNoOneCircleTheLineIsStraight) {
  const auto a = torch::tensor({1.0, 2.0}, torch::kDouble);
  for (const auto& b : {torch::zeros({2}, torch::kDouble), -a, 3 * a}) {
    EXPECT_TRUE(torch::equal(between(a, b, 5, Path::kSpherical), between(a, b, 5, Path::kLinear)));
  }
}

}  // namespace
}  // namespace elbow
