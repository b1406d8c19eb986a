#include "trainer/model/observation.h"

#include <cmath>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/observation_batches.h"

namespace elbow {
namespace {

using testing::HasSubstr;
using Shape = std::vector<std::int64_t>;

const RunNoise kTraining{1, 0, 0};
const RunNoise kEvaluation{1, 0, kEvaluationEpoch};

VariableStatistics statistics(std::size_t variables) {
  VariableStatistics result;
  for (std::size_t i = 0; i < variables; ++i) {
    result.mean.push_back(10.0 + static_cast<double>(i));
    result.deviation.push_back(1.0 + static_cast<double>(i));
  }
  result.count = 100;
  return result;
}

TEST(Observation, DitherIsUniformAndKeyed) {
  const Observation observation({}, {{20, 20}, ValueType::kUint8}, "gaussian");
  EXPECT_EQ(observation.values(), Values::kDithered);
  const auto batch = byte_batch({5, 8, 1000000000000}, {20, 20});
  const auto x = observation.x(batch, kTraining);
  EXPECT_EQ(x.sizes(), (Shape{3, 1, 20, 20}));
  const auto k = bytes_of(batch).view({3, 1, 20, 20});
  const auto u = 256 * x - k;
  EXPECT_TRUE(torch::equal((256 * x).floor(), k));
  EXPECT_NEAR(u.mean().item<double>(), 0.5, 4 * std::sqrt(1 / 12.0 / 1200));
  EXPECT_NEAR(u.var().item<double>(), 1 / 12.0, 4 * std::sqrt(1 / 180.0 / 1200));

  EXPECT_TRUE(torch::equal(x, observation.x(batch, kTraining)));
  EXPECT_FALSE(torch::equal(x, observation.x(batch, {1, 0, 1})));
  EXPECT_FALSE(torch::equal(x, observation.x(batch, {2, 0, 0})));
  const auto alone = observation.x(byte_batch({8}, {20, 20}), kTraining);
  EXPECT_TRUE(torch::equal(x[1], alone[0]));
}

TEST(Observation, DynamicBinarisationFollowsTheGreyValue) {
  const Observation observation({}, {{30, 30}, ValueType::kUint8}, "bernoulli");
  EXPECT_EQ(observation.values(), Values::kBinaryDynamic);
  auto batch = byte_batch(Shape(50, 0), {30, 30});
  for (std::size_t i = 0; i < 50; ++i) batch.indices[i] = static_cast<std::int64_t>(i);
  for (auto& value : batch.values) value = std::byte{64};
  const auto x = observation.x(batch, kTraining);
  EXPECT_TRUE(((x == 0) | (x == 1)).all().item<bool>());
  const double p = 64.0 / 255;
  EXPECT_NEAR(x.mean().item<double>(), p, 4 * std::sqrt(p * (1 - p) / 45000));
  EXPECT_FALSE(torch::equal(x, observation.x(batch, {1, 0, 1})));
  for (const int extreme : {0, 255}) {
    for (auto& value : batch.values) value = static_cast<std::byte>(extreme);
    const auto certain = observation.x(batch, kTraining);
    EXPECT_TRUE((certain == extreme / 255).all().item<bool>());
  }
}

TEST(Observation, FixedBinarisationIsDrawnOnce) {
  const Observation fixed({"binary-fixed", "auto"}, {{9, 9}, ValueType::kUint8}, "bernoulli");
  const Observation dynamic({}, {{9, 9}, ValueType::kUint8}, "bernoulli");
  const auto batch = byte_batch({3, 4}, {9, 9});
  EXPECT_TRUE(torch::equal(fixed.x(batch, kTraining), fixed.x(batch, {1, 2, 7})));
  EXPECT_FALSE(torch::equal(fixed.x(batch, kTraining), fixed.x(batch, {2, 0, 0})));
  EXPECT_TRUE(torch::equal(dynamic.x(batch, kEvaluation), dynamic.x(batch, kEvaluation)));
}

TEST(Observation, ThresholdAndBinaryFiles) {
  const Observation grey({"binary-threshold", "auto"}, {{2}, ValueType::kUint8}, "bernoulli");
  Batch batch = byte_batch({0}, {2});
  batch.values = {std::byte{127}, std::byte{128}};
  EXPECT_TRUE(torch::equal(grey.x(batch, kTraining), torch::tensor({{0.0F, 1.0F}})));

  const Observation binary({}, {{2}, ValueType::kUint8, 1}, "bernoulli");
  EXPECT_EQ(binary.values(), Values::kBinaryThreshold);
  EXPECT_EQ(binary.measure_text(), "probability of binary pixels");
  batch.values = {std::byte{0}, std::byte{1}};
  EXPECT_TRUE(torch::equal(binary.x(batch, kTraining), torch::tensor({{0.0F, 1.0F}})));
  batch.values = {std::byte{0}, std::byte{7}};
  EXPECT_THROW(binary.x(batch, kTraining), DataError);

  const Observation floats({}, {{2}, ValueType::kFloat32}, "bernoulli");
  EXPECT_EQ(floats.values(), Values::kBinaryThreshold);
  EXPECT_TRUE(torch::equal(floats.x(float_batch({0}, {2}, {0.2F, 0.5F}), kTraining),
                           torch::tensor({{0.0F, 1.0F}})));
  try {
    floats.x(float_batch({41}, {2}, {0.2F, 1.5F}), kTraining);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("sample 41 holds the value 1.5"));
  }
}

TEST(Observation, StandardisationIsUndone) {
  const Observation observation({}, {{2, 3}, ValueType::kFloat32}, "gaussian", statistics(6));
  EXPECT_EQ(observation.values(), Values::kStandardised);
  const auto batch = float_batch({0}, {2, 3}, {10, 11, 12, 14, 19, 21});
  const auto x = observation.x(batch, kTraining);
  EXPECT_TRUE(
      torch::allclose(x, torch::tensor({0.0F, 0.0F, 0.0F, 0.25F, 1.0F, 1.0F}).view({1, 1, 2, 3})));
  EXPECT_TRUE(torch::allclose(observation.in_file_units(x),
                              torch::tensor({10.F, 11.F, 12.F, 14.F, 19.F, 21.F}).view({1, 2, 3})));
  EXPECT_NEAR(observation.log_jacobian(), -std::log(720.0), 1e-12);
  // The range of a picture: from 15 - 2*6 = 3 to 15 + 2*6 = 27.
  EXPECT_NEAR(observation.display(x)[0][0][0][0].item<double>(), (10 - 3) / 24.0, 1e-6);
}

TEST(Observation, StandardisedBytesAreDitheredOnTheirScale) {
  const Observation observation({"standardised", "auto"}, {{4}, ValueType::kUint8}, "gaussian",
                                statistics(4));
  const Observation plain({}, {{4}, ValueType::kUint8}, "gaussian");
  const auto batch = byte_batch({3}, {4});
  const auto v = plain.x(batch, kTraining);
  const auto x = observation.x(batch, kTraining);
  const auto mean = (torch::tensor({10., 11., 12., 13.}) + 0.5) / 256;
  const auto deviation = torch::tensor({1., 2., 3., 4.}) / 256;
  EXPECT_TRUE(torch::allclose(x, (v - mean) / deviation, 1e-5, 1e-5));
  EXPECT_TRUE(torch::allclose(observation.display(x), v, 1e-5, 1e-6));
  EXPECT_NEAR(observation.log_jacobian(), 4 * std::log(256.0) - std::log(24.0), 1e-12);
  EXPECT_EQ(observation.no_likelihood_reason(), "");
  EXPECT_TRUE(observation.bits_per_dim(0).has_value());
}

TEST(Observation, LayoutsAreArrangedAndBroughtBack) {
  struct Case {
    Shape file;
    std::string layout;
    Shape model;
  };
  const std::vector<Case> cases = {
      {{5}, "auto", {5}},
      {{4, 6}, "auto", {1, 4, 6}},
      {{5, 6, 3}, "auto", {3, 5, 6}},
      {{3, 4, 6}, "auto", {3, 4, 6}},
      {{6, 5, 4}, "auto", {4, 6, 5}},
      {{1, 4, 6}, "auto", {1, 4, 6}},
      {{5, 6, 1}, "auto", {1, 5, 6}},
      {{4, 5, 6}, "nhwc", {6, 4, 5}},
      {{4, 5, 6}, "nchw", {4, 5, 6}},
      {{3, 5, 3}, "nhwc", {3, 3, 5}},
      {{4, 6}, "nhwc", {1, 4, 6}},
      {{4, 6, 3}, "vector", {72}},
      {{7}, "signal", {1, 7}},
      {{2, 7}, "signal", {2, 7}},
      {{4, 5, 6}, "volume", {1, 4, 5, 6}},
  };
  for (const auto& [file, layout, model] : cases) {
    const Observation observation({"raw", layout}, {file, ValueType::kUint8}, "gaussian");
    EXPECT_EQ(observation.shape(), model);
    const auto batch = byte_batch({2, 7}, file);
    const auto x = observation.x(batch, kTraining);
    Shape sizes = {2};
    sizes.insert(sizes.end(), model.begin(), model.end());
    EXPECT_EQ(x.sizes(), sizes);
    EXPECT_TRUE(x.is_contiguous());
    EXPECT_TRUE(torch::equal(observation.in_file_units(x).flatten(), bytes_of(batch)));
  }
  const Observation nhwc({"raw", "nhwc"}, {{4, 5, 6}, ValueType::kUint8}, "gaussian");
  const auto batch = byte_batch({2}, {4, 5, 6});
  EXPECT_EQ(nhwc.x(batch, kTraining)[0][2][1][3].item<float>() * 256,
            bytes_of(batch).view({4, 5, 6})[1][3][2].item<float>());
}

TEST(Observation, NoiseDoesNotDependOnTheLayout) {
  const auto batch = byte_batch({2}, {5, 6, 3});
  const Observation image({}, {{5, 6, 3}, ValueType::kUint8}, "gaussian");
  const Observation vector({"auto", "vector"}, {{5, 6, 3}, ValueType::kUint8}, "gaussian");
  EXPECT_TRUE(torch::equal(image.in_file_units(image.x(batch, kTraining)),
                           vector.in_file_units(vector.x(batch, kTraining))));
}

void expect_refused(const ObservationOptions& options, const StoredRows& rows,
                    const std::string& likelihood, const std::string& text) {
  try {
    const Observation observation(options, rows, likelihood);
    FAIL() << text;
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

StoredRows bytes_of_shape(Shape shape) { return {std::move(shape), ValueType::kUint8}; }

TEST(Observation, RefusesValuesThatCannotBeMeant) {
  const auto bytes = bytes_of_shape({28, 28});
  const StoredRows floats{{28, 28}, ValueType::kFloat32};
  expect_refused({"dithered", "auto"}, floats, "gaussian", "'dithered' is for 8-bit data");
  expect_refused({"binary-dynamic", "auto"}, bytes, "gaussian", "likelihood = 'bernoulli'");
  expect_refused({"dithered", "auto"}, bytes, "bernoulli", "does not go with model.likelihood");
  expect_refused({"standardised", "auto"}, floats, "bernoulli", "does not go with");
  expect_refused({"ditherd", "auto"}, bytes, "gaussian", "did you mean 'dithered'");
  expect_refused({}, bytes, "gauss", "there is no likelihood");
  EXPECT_THROW(Observation({}, floats, "gaussian"), Error);  // without its statistics
  const Observation observation({}, bytes, "gaussian");
  EXPECT_THROW(observation.x(byte_batch({1}, {28, 27}), kTraining), Error);
}

TEST(Observation, RefusesLayoutsThatCannotBeMeant) {
  expect_refused({}, bytes_of_shape({16, 16, 16}), "gaussian", "set data.layout");
  expect_refused({}, bytes_of_shape({3, 16, 3}), "gaussian", "set data.layout");
  expect_refused({"auto", "nchw"}, bytes_of_shape({784}), "gaussian", "is for images");
  expect_refused({"auto", "signal"}, bytes_of_shape({3, 8, 8}), "gaussian", "is for signals");
  expect_refused({"auto", "volume"}, bytes_of_shape({8, 8}), "gaussian", "is for volumes");
  expect_refused({"auto", "nwhc"}, bytes_of_shape({28, 28}), "gaussian", "did you mean");
  expect_refused({}, bytes_of_shape({}), "gaussian", "one to three axes");
  expect_refused({}, bytes_of_shape({2, 2, 2, 2}), "gaussian", "one to three axes");
}

TEST(Observation, SaysWhatMayBeClaimed) {
  const double d = 784 * std::log(2.0);
  const StoredRows bytes{{28, 28}, ValueType::kUint8};
  const StoredRows floats{{28, 28}, ValueType::kFloat32};
  const auto make = [](const std::string& values, const StoredRows& rows, const char* likelihood) {
    return Observation({values, "auto"}, rows, likelihood, statistics(784));
  };
  EXPECT_NEAR(*make("auto", bytes, "gaussian").bits_per_dim(2 * d), 6, 1e-12);
  EXPECT_NEAR(*make("auto", bytes, "bernoulli").bits_per_dim(-2 * d), 2, 1e-12);
  EXPECT_NEAR(*make("binary-fixed", floats, "bernoulli").bits_per_dim(-2 * d), 2, 1e-12);
  EXPECT_FALSE(make("auto", floats, "gaussian").bits_per_dim(1).has_value());
  EXPECT_EQ(make("auto", floats, "gaussian").no_likelihood_reason(), "");
  EXPECT_EQ(make("raw", floats, "gaussian").no_likelihood_reason(), "");
  EXPECT_THAT(make("raw", bytes, "gaussian").no_likelihood_reason(), HasSubstr("undithered"));
  EXPECT_FALSE(make("raw", bytes, "gaussian").bits_per_dim(1).has_value());
  EXPECT_THAT(make("raw", bytes, "bernoulli").no_likelihood_reason(), HasSubstr("grey values"));
  EXPECT_FALSE(make("raw", bytes, "bernoulli").bits_per_dim(1).has_value());
  EXPECT_EQ(make("auto", bytes, "gaussian").measure_text(), "density of x = (k + u)/256 on [0,1)");
  EXPECT_EQ(make("auto", bytes, "bernoulli").measure_text(),
            "probability of binarised pixels (dynamic, keyed)");
  EXPECT_THAT(make("auto", floats, "gaussian").measure_text(), HasSubstr("density in the file's units"));
}

TEST(Observation, StatisticsAreNeededWhereValuesAreStandardised) {
  const StoredRows bytes{{28, 28}, ValueType::kUint8};
  const StoredRows floats{{28, 28}, ValueType::kFloat32};
  EXPECT_TRUE(Observation::needs_statistics({}, floats, "gaussian"));
  EXPECT_TRUE(Observation::needs_statistics({"standardised", "auto"}, bytes, "gaussian"));
  EXPECT_FALSE(Observation::needs_statistics({}, bytes, "gaussian"));
  EXPECT_FALSE(Observation::needs_statistics({}, floats, "bernoulli"));
}

TEST(Observation, OptionsAreDeclared) {
  ObservationOptions options;
  OptionTable table;
  declare(table, options);
  table.apply_toml("[data]\nvalues = \"raw\"\nlayout = \"nhwc\"", "c");
  EXPECT_EQ(options.values, "raw");
  EXPECT_EQ(options.layout, "nhwc");
  EXPECT_THROW(table.apply_toml("[data]\nvalues = \"binary\"", "c"), ConfigError);
}

}  // namespace
}  // namespace elbow
