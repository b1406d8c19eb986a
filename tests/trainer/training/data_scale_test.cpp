#include "trainer/training/data_scale.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace elbow {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Observation floats(const std::string& values, const std::string& likelihood = "gaussian") {
  const VariableStatistics unit{{0, 0, 0}, {1, 1, 1}};
  return {{values, "vector"}, {{3}, ValueType::kFloat32}, likelihood, unit};
}

TEST(DataScale, OfValues) {
  const DataScale scale = scale_of(torch::tensor({{0.0F, 3.0F}, {-4.0F, 5.0F}}));
  EXPECT_EQ(scale.least, -4);
  EXPECT_EQ(scale.most, 5);
  EXPECT_DOUBLE_EQ(scale.root_mean_square, std::sqrt(50.0 / 4));
  EXPECT_EQ(to_text({0, 255, 147.2}), "x runs from 0 to 255, with a root mean square of 147");
}

TEST(DataScale, ValuesFarFromOneAreNamedWithTheRemedy) {
  for (const DataScale& scale : {DataScale{0, 255, 147}, DataScale{0, 1e-5, 1e-6}}) {
    EXPECT_THAT(scale_problem(scale, floats("raw")),
                AllOf(HasSubstr("x runs from 0 to "), HasSubstr("--data.values standardised")));
    EXPECT_THAT(scale_problem(scale, floats("raw", "laplace")), HasSubstr("standardised"));
    EXPECT_EQ(scale_problem(scale, floats("standardised")), "");
  }
  for (const double size : {0.0, 0.02, 1.0, 9.0}) {
    EXPECT_EQ(scale_problem({-size, size, size}, floats("raw")), "") << size;
  }
  EXPECT_EQ(scale_problem({0, 255, 147}, floats("raw", "bernoulli")), "");
}

}  // namespace
}  // namespace elbow
