// A user's networks and the flat storage: what the optimiser moves is what the script computes
// with.
#include <gtest/gtest.h>

#include "tests/base/temporary_folder.h"
#include "tests/trainer/model/script_files.h"
#include "trainer/training/flat_parameters.h"

namespace elbow {
namespace {

TEST(TorchScriptTraining, ScriptsComputeWithTheFlatParameters) {
  const TemporaryFolder folder;
  ModelOptions options;
  options.network = "torchscript";
  options.encoder = saved(script_encoder(), folder / "encoder.pt");
  const auto network = make_encoder(options, {1, 3, 4}, 6);
  const auto x = reference_numbers({4, 1, 3, 4}).to(torch::kFloat);
  const auto before = network->forward(x, {});

  FlatParameters flat(*network);
  ASSERT_EQ(flat.entries().size(), 4U);
  EXPECT_TRUE(torch::equal(network->forward(x, {}), before));
  network->forward(x, {}).square().sum().backward();
  for (const auto& entry : flat.entries()) {
    EXPECT_GT(FlatParameters::view(flat.gradient(), entry).abs().max().item<float>(), 0)
        << entry.name;
  }
  torch::NoGradGuard no_grad;
  const auto loss = [&] { return network->forward(x, {}).square().sum().item<double>(); };
  const double at_first = loss();
  flat.values().sub_(0.01 * flat.gradient());
  EXPECT_LT(loss(), at_first);
  flat.values().zero_();
  EXPECT_TRUE(torch::equal(network->forward(x, {}), torch::zeros({4, 6})));
}

}  // namespace
}  // namespace elbow
