#include "trainer/model/architecture.h"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "trainer/model/options.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;
using Shape = std::vector<std::int64_t>;

ModelOptions residual() {
  ModelOptions options;
  options.network = "residual";
  options.widths = {3, 4};
  options.activation = "silu";
  return options;
}

ModelOptions transformer() {
  ModelOptions options;
  options.network = "transformer";
  options.widths = {8};
  options.depth = 2;
  options.heads = 2;
  options.patch = 3;
  options.activation = "silu";
  return options;
}

// tests/integration/export_reader.py computes these networks from architectures.json alone, and
// finds PyTorch's numbers in networks.json: so does Elbow, by residual_test and transformer_test.
TEST(Architecture, IsWhatOtherProgramsWereCheckedWith) {
  const Json found = {
      {"residual image encoder", make_encoder(residual(), {2, 7, 5}, 6, 2)->architecture()},
      {"residual signal encoder", make_encoder(residual(), {2, 9}, 6)->architecture()},
      {"residual volume encoder", make_encoder(residual(), {1, 5, 4, 6}, 6)->architecture()},
      {"residual image decoder", make_decoder(residual(), 2, {1, 7, 5}, 2, 2)->architecture()},
      {"transformer encoder", make_encoder(transformer(), {2, 7, 5}, 6, 2)->architecture()},
      {"transformer decoder", make_decoder(transformer(), 2, {1, 7, 5}, 2, 2)->architecture()},
  };
  const char* source = std::getenv("TESTS_SOURCE_DIR");
  std::ifstream file(std::string(source != nullptr ? source : ".") +
                     "/tests/reference/architectures.json");
  ASSERT_TRUE(file);
  EXPECT_EQ(found, Json::parse(file)) << found.dump(1);
}

// Every step says its own shape, and together they hold every parameter once.
TEST(Architecture, HoldsEveryParameter) {
  for (const char* network : {"mlp", "convolutional", "residual", "transformer"}) {
    ModelOptions options = network == std::string("transformer") ? transformer() : residual();
    options.network = network;
    for (const Shape& shape : {Shape{2, 9}, Shape{1, 7, 5}, Shape{1, 5, 4, 6}}) {
      for (const std::int64_t condition : {0, 3}) {
        const auto encoder = make_encoder(options, shape, 6, condition);
        const auto decoder = make_decoder(options, 2, shape, 2, condition);
        for (const auto& made : {encoder, decoder}) {
          const Json architecture = made->architecture();
          Json tensors = Json::object();
          for (const auto& step : architecture["steps"]) {
            EXPECT_TRUE(step.contains("type") && step.contains("output")) << step.dump();
            if (step.contains("tensors")) tensors.update(step["tensors"]);
          }
          EXPECT_EQ(tensors, tensor_shapes(*made)) << network;
          EXPECT_EQ(architecture["output"].front(), made == encoder ? 6 : 2);
        }
      }
    }
  }
}

}  // namespace
}  // namespace elbow
