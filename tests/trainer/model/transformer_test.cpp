#include "trainer/model/transformer.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/network_reference.h"
#include "tests/trainer/model/refused_network.h"

namespace elbow {
namespace {

using Shape = std::vector<std::int64_t>;

NetworkOptions small_transformer() {
  NetworkOptions options;
  options.network = "transformer";
  options.widths = {8};
  options.activation = "silu";
  options.depth = 2;
  options.heads = 2;
  options.patch = 3;
  return options;
}

TEST(Transformer, EncoderIsThatOfPyTorch) {
  const auto encoder = reference_filled(make_encoder(small_transformer(), {2, 7, 5}, 6, 2));
  expect_reference("transformer encoder",
                   encoder->forward(reference_numbers({2, 2, 7, 5}), reference_numbers({2, 2}, 1)));
}

TEST(Transformer, DecoderIsThatOfPyTorch) {
  const auto decoder = reference_filled(make_decoder(small_transformer(), 2, {1, 7, 5}, 2, 2));
  expect_reference("transformer decoder",
                   decoder->forward(reference_numbers({2, 2}), reference_numbers({2, 2}, 1)));
}

using Row = std::vector<double>;
using Rows = std::vector<Row>;

Rows rows_of(const torch::Tensor& matrix) {
  Rows rows;
  for (std::int64_t row = 0; row < matrix.size(0); ++row) {
    const auto values = matrix[row].contiguous();
    rows.emplace_back(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
  }
  return rows;
}

// Of mean 0 and variance 1; the scale is 1 and the shift 0 as long as nothing has learned.
Row normalised(const Row& row) {
  double mean = 0;
  double variance = 0;
  for (const double value : row) mean += value / static_cast<double>(row.size());
  for (const double value : row) {
    variance += (value - mean) * (value - mean) / static_cast<double>(row.size());
  }
  Row result;
  for (const double value : row) result.push_back((value - mean) / std::sqrt(variance + 1e-5));
  return result;
}

Row times(const torch::Tensor& weight, const Row& row) {
  Row result;
  for (const Row& weights : rows_of(weight)) {
    double sum = 0;
    for (std::size_t i = 0; i < row.size(); ++i) sum += weights[i] * row[i];
    result.push_back(sum);
  }
  return result;
}

// What `heads` heads gather for the token `to`, from rows [q, k, v].
Row attended(const Rows& qkv, std::size_t to, std::size_t width, std::size_t heads) {
  const std::size_t part = width / heads;
  Row result(width, 0.0);
  for (std::size_t head = 0; head < heads; ++head) {
    Row weights;
    double total = 0;
    for (const Row& from : qkv) {
      double product = 0;
      for (std::size_t i = head * part; i < (head + 1) * part; ++i) {
        product += qkv[to][i] * from[width + i];
      }
      weights.push_back(std::exp(product / std::sqrt(static_cast<double>(part))));
      total += weights.back();
    }
    for (std::size_t from = 0; from < qkv.size(); ++from) {
      for (std::size_t i = head * part; i < (head + 1) * part; ++i) {
        result[i] += weights[from] / total * qkv[from][2 * width + i];
      }
    }
  }
  return result;
}

TEST(Transformer, AttentionIsItsDoubleSum) {
  constexpr std::int64_t kWidth = 6;
  for (const std::int64_t heads : {1, 2, 3}) {
    TransformerLayer layer(kWidth, heads, "relu");
    layer.to(torch::kDouble);
    initialise(layer, 1);
    torch::NoGradGuard no_grad;
    auto parameters = layer.named_parameters();
    parameters["linear2.weight"].zero_();  // leaves attention alone
    parameters["linear2.bias"].zero_();
    parameters["in_proj.weight"].mul_(4);  // so that it is sharp
    const auto tokens = reference_numbers({2, 5, kWidth});
    const auto found = layer.forward(tokens);
    for (std::int64_t sample = 0; sample < 2; ++sample) {
      const Rows given = rows_of(tokens[sample]);
      Rows qkv;
      for (const Row& row : given) {
        qkv.push_back(times(parameters["in_proj.weight"], normalised(row)));
      }
      for (std::size_t token = 0; token < given.size(); ++token) {
        Row expected = times(parameters["out_proj.weight"],
                             attended(qkv, token, kWidth, static_cast<std::size_t>(heads)));
        const auto bias = rows_of(parameters["out_proj.bias"].unsqueeze(0))[0];
        for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += given[token][i] + bias[i];
        const auto row = found[sample][static_cast<std::int64_t>(token)];
        EXPECT_TRUE(torch::allclose(row, torch::tensor(expected, torch::kDouble), 1e-12, 1e-12));
      }
    }
  }
}

TEST(Transformer, PatchesHoldEachEntryOnce) {
  const auto x = torch::arange(2 * 2 * 5 * 7, torch::kDouble).view({2, 2, 5, 7}) + 1;
  const auto patches = cut_into_patches(x, 3);
  ASSERT_EQ(patches.sizes(), (Shape{2, 2 * 3, 2 * 9}));
  // The token in row 1, column 2: rows 3 to 5 (the last is beyond the end), columns 6 to 8.
  const auto token = patches[1][5].view({2, 3, 3});
  for (std::int64_t channel = 0; channel < 2; ++channel) {
    for (std::int64_t row = 0; row < 3; ++row) {
      for (std::int64_t column = 0; column < 3; ++column) {
        const bool inside = row < 2 && column < 1;
        const auto expected =
            inside ? x[1][channel][3 + row][6 + column] : torch::zeros({}, x.options());
        EXPECT_TRUE(torch::equal(token[channel][row][column], expected));
      }
    }
  }
}

TEST(Transformer, JoiningIsTheReverseOfCutting) {
  for (const Shape& shape :
       {Shape{2, 7}, Shape{1, 6, 6}, Shape{3, 7, 5}, Shape{2, 1, 9}, Shape{2, 3, 5, 4}}) {
    for (const std::int64_t patch : {1, 2, 3, 4}) {
      Shape batch = {2};
      batch.insert(batch.end(), shape.begin(), shape.end());
      const auto x = reference_numbers(batch);
      EXPECT_TRUE(torch::equal(join_patches(cut_into_patches(x, patch), patch, shape), x));
    }
  }
}

TEST(Transformer, SamplesOfAnySizeFit) {
  for (const Shape& shape : {Shape{1, 28, 28}, Shape{3, 7, 5}, Shape{2, 13}, Shape{1, 4, 5, 6}}) {
    for (const std::int64_t patch : {1, 3, 4}) {
      auto options = small_transformer();
      options.patch = patch;
      Shape batch = {2};
      batch.insert(batch.end(), shape.begin(), shape.end());
      EXPECT_EQ(make_encoder(options, shape, 6)->forward(torch::rand(batch), {}).sizes(),
                (Shape{2, 6}));
      batch.insert(batch.begin() + 1, 3);
      EXPECT_EQ(make_decoder(options, 4, shape, 3)->forward(torch::rand({2, 4}), {}).sizes(),
                batch);
    }
  }
}

TEST(Transformer, PositionsAreDrawnFromTheSeed) {
  const auto positions = [](std::uint64_t seed) {
    const auto encoder = make_encoder(small_transformer(), {1, 28, 28}, 6);
    initialise(*encoder, seed);
    return encoder->named_parameters()["positions.weight"].detach();
  };
  EXPECT_TRUE(torch::equal(positions(1), positions(1)));
  EXPECT_FALSE(torch::equal(positions(1), positions(2)));
  // U(-b, b) with b = 1/sqrt(8), each patch with its own.
  EXPECT_LE(positions(1).abs().max().item<double>(), 1 / std::sqrt(8.0));
  EXPECT_GT(torch::cdist(positions(1), positions(1)).add(10 * torch::eye(100)).min().item<double>(),
            0.01);
}

// A transformer without positions would give the same code for shuffled patches.
TEST(Transformer, TheOrderOfPatchesMatters) {
  auto options = small_transformer();
  options.patch = 2;
  const auto encoder = reference_initialised(make_encoder(options, {1, 4, 4}, 6));
  const auto x = reference_numbers({1, 1, 4, 4});
  EXPECT_FALSE(torch::allclose(encoder->forward(x, {}), encoder->forward(x.roll(2, 3), {}), 1e-3));
}

TEST(Transformer, LayersAreDescribed) {
  const auto encoder = make_encoder(small_transformer(), {2, 7, 5}, 6, 2);
  std::vector<std::string> lines;
  std::int64_t total = 0;
  for (const auto& layer : encoder->layers()) {
    lines.push_back(layer.name + " " + layer.what);
    total += layer.parameters;
  }
  EXPECT_THAT(lines, testing::ElementsAre("patches linear", "positions position of each patch",
                                          "layer0 attention, 2 heads, silu",
                                          "layer1 attention, 2 heads, silu", "norm layer norm",
                                          "outputs linear"));
  std::int64_t parameters = 0;
  for (const auto& parameter : encoder->parameters()) parameters += parameter.numel();
  EXPECT_EQ(total, parameters);
}

TEST(Transformer, RefusesWhatDoesNotFit) {
  expect_refused(small_transformer(), {784}, "data.layout");
  auto options = small_transformer();
  options.widths = {8, 8};
  expect_refused(options, {1, 7, 5}, "option model.widths");
  options = small_transformer();
  options.heads = 3;
  expect_refused(options, {1, 7, 5}, "option model.heads: 3 heads do not divide");
  options = small_transformer();
  options.patch = 8;
  expect_refused(options, {1, 7, 5}, "option model.patch");
}

}  // namespace
}  // namespace elbow
