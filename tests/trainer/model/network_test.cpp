#include "trainer/model/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/refused_network.h"
#include "trainer/model/initialisation.h"
#include "trainer/model/keyed_noise.h"

namespace elbow {
namespace {

using Shape = std::vector<std::int64_t>;

NetworkOptions with(const std::string& network, Shape widths) {
  NetworkOptions options;
  options.network = network;
  options.widths = std::move(widths);
  return options;
}

// The shape of a batch of such samples.
Shape rows(std::int64_t count, Shape shape) {
  shape.insert(shape.begin(), count);
  return shape;
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
  EXPECT_EQ(encoder->forward(torch::rand({3, 1, 5, 5}), {}).sizes(), (Shape{3, 8}));

  const auto decoder = make_decoder(with("mlp", {30, 20}), 4, {1, 5, 5}, 2);
  EXPECT_EQ(decoder->named_parameters()["0.weight"].sizes(), (Shape{20, 4}));
  EXPECT_EQ(decoder->named_parameters()["4.weight"].sizes(), (Shape{50, 30}));
  EXPECT_EQ(decoder->forward(torch::rand({3, 4}), {}).sizes(), (Shape{3, 2, 1, 5, 5}));
}

TEST(Network, NoWidthsIsALinearMap) {
  const auto encoder = make_encoder(with("mlp", {}), {6}, 4);
  const auto x = torch::rand({2, 6});
  const auto parameters = encoder->named_parameters();
  ASSERT_EQ(parameters.size(), 2U);
  EXPECT_TRUE(torch::allclose(encoder->forward(x, {}),
                              x.mm(parameters["0.weight"].t()) + parameters["0.bias"]));
}

const std::vector<std::string> kForImages = {"convolutional", "residual"};

TEST(Network, SamplesOfAnySizeFit) {
  const std::vector<std::pair<Shape, Shape>> cases = {{{1, 28, 28}, {8, 16}},
                                                      {{3, 64, 64}, {8, 16, 16, 8}},
                                                      {{1, 27, 31}, {4, 4, 4}},
                                                      {{3, 7, 5}, {4, 4}},
                                                      {{2, 2, 9}, {4}},
                                                      {{4, 33, 17}, {4, 4, 4, 4}},
                                                      {{1, 100}, {4, 4, 4}},
                                                      {{3, 37}, {4, 5}},
                                                      {{2, 3}, {4}},
                                                      {{1, 8, 9, 10}, {4, 4}},
                                                      {{2, 5, 4, 7}, {3, 4}},
                                                      {{1, 2, 3, 2}, {4}}};
  for (const auto& network : kForImages) {
    for (const auto& [shape, widths] : cases) {
      const auto options = with(network, widths);
      const auto code = make_encoder(options, shape, 6)->forward(torch::rand(rows(2, shape)), {});
      EXPECT_EQ(code.sizes(), (Shape{2, 6}));
      for (const std::int64_t parameters : {1, 3}) {
        const auto decoder = make_decoder(options, 5, shape, parameters);
        Shape one = {parameters};
        one.insert(one.end(), shape.begin(), shape.end());
        EXPECT_EQ(decoder->forward(torch::rand({2, 5}), {}).sizes(), rows(2, one));
      }
    }
  }
}

// A network of each kind that fits images, and a function with a slope everywhere.
std::vector<NetworkOptions> one_of_each() {
  std::vector<NetworkOptions> all = {with("mlp", {8, 4}), with("convolutional", {8, 4}),
                                   with("residual", {8, 4}), with("transformer", {8})};
  for (auto& options : all) {
    options.activation = "tanh";
    options.blocks = 2;
    options.depth = 2;
    options.heads = 2;
  }
  return all;
}

torch::Tensor normal(const Shape& shape, std::uint32_t draw = 0) {
  const std::vector<std::int64_t> index = {0};
  return normal_noise({1, Purpose::kSampling}, index, draw, shape, torch::kDouble)[0];
}

std::shared_ptr<Network> ready(std::shared_ptr<Network> network) {
  network->to(torch::kDouble);
  initialise(*network, 1);
  return network;
}

void expect_all_learn(Network& network, const torch::Tensor& output) {
  output.square().sum().backward();
  for (const auto& item : network.named_parameters()) {
    EXPECT_GT(item.value().grad().abs().max().item<double>(), 0.0) << item.key();
  }
}

TEST(Network, EveryPixelReachesTheCodeAndEveryParameterLearns) {
  for (const auto& options : one_of_each()) {
    for (const Shape& shape : {Shape{1, 27, 31}, Shape{3, 7, 5}}) {
      SCOPED_TRACE(options.network);
      const auto encoder = ready(make_encoder(options, shape, 6, 2));
      const auto x = normal(rows(2, shape)).requires_grad_();
      const auto c = normal({2, 2}, 1).requires_grad_();
      expect_all_learn(*encoder, encoder->forward(x, c));
      EXPECT_TRUE((x.grad() != 0).all().item<bool>());
      EXPECT_TRUE((c.grad() != 0).all().item<bool>());
      const auto decoder = ready(make_decoder(options, 4, shape, 2, 2));
      const auto z = normal({2, 4}).requires_grad_();
      expect_all_learn(*decoder, decoder->forward(z, c));
      EXPECT_TRUE((z.grad() != 0).all().item<bool>());
    }
  }
}

TEST(Network, SignalsAndVolumesReachTheCodeToo) {
  for (const auto& options : one_of_each()) {
    for (const Shape& shape : {Shape{2, 13}, Shape{1, 5, 6, 7}}) {
      SCOPED_TRACE(options.network);
      const auto encoder = ready(make_encoder(options, shape, 6));
      const auto x = normal(rows(2, shape)).requires_grad_();
      expect_all_learn(*encoder, encoder->forward(x, {}));
      EXPECT_TRUE((x.grad() != 0).all().item<bool>());
    }
  }
}

// The second of four rows is changed: no bit of the others may be another.
TEST(Network, RowsDoNotDependOnEachOther) {
  for (const auto& options : one_of_each()) {
    for (const Shape& shape : {Shape{1, 12, 12}, Shape{2, 9}, Shape{1, 4, 5, 6}}) {
      SCOPED_TRACE(options.network);
      for (const auto type : {torch::kFloat, torch::kDouble}) {
        const auto encoder = ready(make_encoder(options, shape, 6, 2));
        const auto decoder = ready(make_decoder(options, 6, shape, 2, 2));
        encoder->to(type);
        decoder->to(type);
        const auto both = [&](const torch::Tensor& x, const torch::Tensor& c) {
          const auto code = encoder->forward(x.to(type), c);
          return torch::cat({code, decoder->forward(code, c).flatten(1)}, 1);
        };
        const auto x = normal(rows(4, shape));
        const auto c = normal({4, 2}, 1);
        auto changed_x = x.clone();
        auto changed_c = c.clone();
        changed_x[1] *= 100;
        changed_c[1] -= 7;
        const auto before = both(x, c);
        const auto after = both(changed_x, changed_c);
        for (const std::int64_t row : {0, 2, 3}) EXPECT_TRUE(torch::equal(before[row], after[row]));
        EXPECT_FALSE(torch::allclose(before[1], after[1]));
      }
    }
  }
}

// In double, where rounding cannot hide much. Products of other numbers of rows may differ in their
// last bits, so that this is no equality.
TEST(Network, RowsDoNotDependOnTheirBatch) {
  for (const auto& options : one_of_each()) {
    const auto encoder = ready(make_encoder(options, {1, 12, 12}, 6));
    const auto x = normal({8, 1, 12, 12});
    const auto whole = encoder->forward(x, {});
    const auto part = encoder->forward(x.narrow(0, 2, 4), {});
    EXPECT_TRUE(torch::allclose(whole.narrow(0, 2, 4), part, 1e-13, 1e-13)) << options.network;
  }
}

// For linear networks, what a condition adds is a linear function of it alone.
TEST(Network, ConditionFollowsTheInput) {
  const auto encoder = ready(make_encoder(with("mlp", {}), {1, 2, 3}, 4, 2));
  const auto decoder = ready(make_decoder(with("mlp", {}), 4, {1, 2, 3}, 2, 2));
  const auto x = normal({3, 1, 2, 3});
  const auto c = normal({3, 2}, 1);
  const auto linear = [](const Network& network, const torch::Tensor& input) {
    const auto parameters = network.named_parameters();
    return input.mm(parameters["0.weight"].t()) + parameters["0.bias"];
  };
  EXPECT_TRUE(torch::allclose(encoder->forward(x, c),
                              linear(*encoder, torch::cat({x.flatten(1), c}, 1)), 1e-12, 1e-12));
  const auto z = normal({3, 4}, 2);
  EXPECT_TRUE(torch::allclose(decoder->forward(z, c).flatten(1),
                              linear(*decoder, torch::cat({z, c}, 1)), 1e-12, 1e-12));
}

TEST(Network, ConditionIsAChannelForEachOfItsEntries) {
  auto options = with("convolutional", {4});
  const auto conditioned = ready(make_encoder(options, {1, 6, 5}, 3, 2));
  const auto plain = make_encoder(options, {3, 6, 5}, 3);
  plain->to(torch::kDouble);
  initialise(*plain, 1);
  const auto x = normal({2, 1, 6, 5});
  const auto c = normal({2, 2}, 1);
  const auto channels = c.view({2, 2, 1, 1}).expand({2, 2, 6, 5});
  EXPECT_TRUE(
      torch::equal(conditioned->forward(x, c), plain->forward(torch::cat({x, channels}, 1), {})));
}

TEST(Network, RefusesAConditionThatIsMissingOrOfAnotherSize) {
  for (const auto& options : one_of_each()) {
    const auto encoder = ready(make_encoder(options, {1, 8, 8}, 6, 2));
    const auto decoder = ready(make_decoder(options, 3, {1, 8, 8}, 1, 2));
    for (const auto& c : {torch::Tensor(), normal({2, 3}), normal({3, 2}), normal({2})}) {
      EXPECT_THROW(encoder->forward(normal({2, 1, 8, 8}), c), Error) << options.network;
      EXPECT_THROW(decoder->forward(normal({2, 3}), c), Error) << options.network;
    }
  }
}

TEST(Network, InitialParametersAreAFunctionOfTheSeed) {
  for (const auto& options : one_of_each()) {
    torch::manual_seed(1);
    const auto a = ready(make_encoder(options, {1, 8, 8}, 6));
    torch::manual_seed(2);
    const auto b = ready(make_encoder(options, {1, 8, 8}, 6));
    for (const auto& item : a->named_parameters()) {
      EXPECT_TRUE(torch::equal(item.value(), b->named_parameters()[item.key()])) << item.key();
    }
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

TEST(Network, RefusesWhatDoesNotFit) {
  for (const auto& network : kForImages) {
    expect_refused(with(network, {4}), {784}, "needs images");
    expect_refused(with(network, {}), {1, 28, 28}, "at least one stage");
    expect_refused(with(network, {4, 4, 4, 4, 4}), {1, 28, 28}, "at most 4 fit");
    expect_refused(with(network, {4, 4}), {1, 3}, "at most 1 fit");
    expect_refused(with(network, {4, 4}), {1, 9, 3, 9}, "at most 1 fit");
  }
  expect_refused(with("convolution", {4}), {1, 28, 28}, "did you mean 'convolutional'");
  auto options = with("mlp", {4});
  options.activation = "rely";
  expect_refused(options, {5}, "did you mean 'relu'");
  options.network = "transformer";
  options.heads = 2;
  expect_refused(options, {1, 5, 5}, "did you mean 'relu'");
}

}  // namespace
}  // namespace elbow
