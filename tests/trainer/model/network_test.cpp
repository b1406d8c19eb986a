#include "trainer/model/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "trainer/model/initialisation.h"

namespace elbow {
namespace {

using Shape = std::vector<std::int64_t>;

ModelOptions with(const std::string& network, Shape widths) {
  ModelOptions options;
  options.network = network;
  options.widths = std::move(widths);
  return options;
}

std::vector<std::string> names(const torch::nn::Module& module) {
  std::vector<std::string> result;
  for (const auto& item : module.named_parameters()) result.push_back(item.key());
  return result;
}

TEST(Network, MlpIsNamedAsInPyTorch) {
  const auto encoder = make_encoder(with("mlp", {30, 20}), {1, 5, 5}, 8);
  EXPECT_THAT(names(*encoder), testing::ElementsAre("0.weight", "0.bias", "2.weight", "2.bias",
                                                    "4.weight", "4.bias"));
  EXPECT_EQ(encoder->named_parameters()["0.weight"].sizes(), (Shape{30, 25}));
  EXPECT_EQ(encoder->named_parameters()["4.weight"].sizes(), (Shape{8, 20}));
  EXPECT_EQ(encoder->forward(torch::rand({3, 1, 5, 5})).sizes(), (Shape{3, 8}));

  const auto decoder = make_decoder(with("mlp", {30, 20}), 4, {1, 5, 5}, 2);
  EXPECT_EQ(decoder->named_parameters()["0.weight"].sizes(), (Shape{20, 4}));
  EXPECT_EQ(decoder->named_parameters()["4.weight"].sizes(), (Shape{50, 30}));
  EXPECT_EQ(decoder->forward(torch::rand({3, 4})).sizes(), (Shape{3, 2, 1, 5, 5}));
}

TEST(Network, NoWidthsIsALinearMap) {
  const auto encoder = make_encoder(with("mlp", {}), {6}, 4);
  const auto x = torch::rand({2, 6});
  const auto parameters = encoder->named_parameters();
  ASSERT_EQ(parameters.size(), 2U);
  EXPECT_TRUE(torch::allclose(encoder->forward(x),
                              x.mm(parameters["0.weight"].t()) + parameters["0.bias"]));
}

TEST(Network, ConvolutionsFitImagesOfAnySize) {
  const std::vector<std::pair<Shape, Shape>> cases = {
      {{1, 28, 28}, {8, 16}},   {{3, 64, 64}, {8, 16, 16, 8}},
      {{1, 27, 31}, {4, 4, 4}}, {{3, 7, 5}, {4, 4}},
      {{2, 2, 9}, {4}},         {{4, 33, 17}, {4, 4, 4, 4}}};
  for (const auto& [shape, widths] : cases) {
    const auto options = with("convolutional", widths);
    const auto x = torch::rand({2, shape[0], shape[1], shape[2]});
    const auto code = make_encoder(options, shape, 6)->forward(x);
    EXPECT_EQ(code.sizes(), (Shape{2, 6}));
    for (const std::int64_t parameters : {1, 3}) {
      const auto out = make_decoder(options, 5, shape, parameters)->forward(torch::rand({2, 5}));
      EXPECT_EQ(out.sizes(), (Shape{2, parameters, shape[0], shape[1], shape[2]}));
    }
  }
}

TEST(Network, EveryPixelReachesTheCodeAndEveryParameterLearns) {
  for (const Shape& shape : {Shape{1, 27, 31}, Shape{3, 7, 5}}) {
    auto options = with("convolutional", {4, 4});
    options.activation = "tanh";  // which has a slope everywhere
    const auto encoder = make_encoder(options, shape, 6);
    encoder->to(torch::kDouble);
    initialise(*encoder, 1);
    const auto x = torch::full({1, shape[0], shape[1], shape[2]}, 0.5, torch::kDouble);
    x.requires_grad_();
    encoder->forward(x).square().sum().backward();
    EXPECT_TRUE((x.grad().abs() > 0).all().item<bool>());
    for (const auto& item : encoder->named_parameters()) {
      EXPECT_GT(item.value().grad().abs().max().item<double>(), 0.0) << item.key();
    }
  }
}

TEST(Network, RowsDoNotDependOnTheirBatch) {
  for (const char* kind : {"mlp", "convolutional"}) {
    const auto encoder = make_encoder(with(kind, {8, 4}), {1, 12, 12}, 6);
    encoder->to(torch::kDouble);
    const auto x = torch::rand({5, 1, 12, 12}, torch::kDouble);
    const auto whole = encoder->forward(x);
    const auto part = encoder->forward(x.narrow(0, 2, 2));
    EXPECT_TRUE(torch::allclose(whole.narrow(0, 2, 2), part, 1e-12, 1e-12)) << kind;
  }
}

TEST(Network, LayersAreDescribed) {
  const auto network = make_encoder(with("convolutional", {8}), {1, 28, 28}, 6);
  std::vector<std::string> lines;
  std::int64_t total = 0;
  for (const auto& layer : network->layers()) {
    lines.push_back(layer.name + " " + layer.what);
    total += layer.parameters;
  }
  EXPECT_THAT(lines,
              testing::ElementsAre("0 convolution 4x4 /2", "1 relu", "2 reshape", "3 linear"));
  EXPECT_EQ(network->layers()[0].output, (Shape{8, 14, 14}));
  EXPECT_EQ(total, 8 * 16 + 8 + 8 * 196 * 6 + 6);
}

void expect_refused(const ModelOptions& options, const Shape& shape, const std::string& text) {
  for (const bool encoder : {true, false}) {
    try {
      encoder ? make_encoder(options, shape, 6) : make_decoder(options, 3, shape, 1);
      FAIL() << text;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(text));
    }
  }
}

TEST(Network, RefusesWhatDoesNotFit) {
  expect_refused(with("convolutional", {4}), {784}, "needs images");
  expect_refused(with("convolutional", {}), {1, 28, 28}, "at least one stage");
  expect_refused(with("convolutional", {4, 4, 4, 4, 4}), {1, 28, 28}, "at most 4 fit");
  expect_refused(with("convolution", {4}), {1, 28, 28}, "did you mean 'convolutional'");
  auto options = with("mlp", {4});
  options.activation = "rely";
  expect_refused(options, {5}, "did you mean 'relu'");
}

}  // namespace
}  // namespace elbow
