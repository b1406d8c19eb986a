#include "trainer/training/flat_parameters.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace elbow {
namespace {

// The bias is registered first, and lies behind the weight all the same.
struct TwoParameters : torch::nn::Module {
  TwoParameters() {
    bias = register_parameter("bias", torch::tensor({7.0F, 8.0F, 9.0F}));
    weight = register_parameter("weight", torch::arange(15, torch::kFloat).view({3, 5}));
  }
  torch::Tensor forward(const torch::Tensor& x) const { return weight.mv(x) + bias; }
  torch::Tensor weight, bias;
};

TEST(FlatParameters, KeepsValuesNamesAndShapes) {
  TwoParameters module;
  FlatParameters flat(module);
  EXPECT_TRUE(torch::equal(module.weight, torch::arange(15, torch::kFloat).view({3, 5})));
  ASSERT_EQ(flat.entries().size(), 2U);
  EXPECT_EQ(flat.entries()[0].name, "weight");
  EXPECT_EQ(flat.entries()[1].name, "bias");
  // 15 floats are padded to 16, 3 to 16: 64 bytes each.
  EXPECT_EQ(flat.entries()[1].offset, 16);
  EXPECT_EQ(flat.values().numel(), 32);
  EXPECT_EQ(flat.matrices_end(), 16);
}

TEST(FlatParameters, ParametersAreAlignedViews) {
  TwoParameters module;
  FlatParameters flat(module);
  for (const auto& entry : flat.entries()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(entry.value.data_ptr()) % 64, 0U) << entry.name;
  }
  flat.values().fill_(2);
  EXPECT_TRUE(torch::equal(module.bias, torch::full({3}, 2.0F)));
}

TEST(FlatParameters, BackwardFillsTheFlatGradient) {
  TwoParameters module;
  FlatParameters flat(module);
  const torch::Tensor x = torch::tensor({1.0F, 2.0F, 3.0F, 4.0F, 5.0F});
  for (int repeat = 1; repeat <= 2; ++repeat) {
    flat.gradient().zero_();
    module.forward(x).sum().backward();
    // d(sum)/dW = x in every row, d(sum)/db = 1.
    const torch::Tensor& gradient = flat.gradient();
    EXPECT_TRUE(torch::equal(gradient.narrow(0, 0, 15).view({3, 5}), x.expand({3, 5})));
    EXPECT_EQ(gradient[15].item<float>(), 0) << "padding";
    EXPECT_TRUE(torch::equal(gradient.narrow(0, 16, 3), torch::ones({3})));
  }
}

TEST(FlatParameters, RefusesAModelWithoutParameters) {
  torch::nn::Module empty;
  EXPECT_THROW(FlatParameters{empty}, Error);
}

}  // namespace
}  // namespace elbow
