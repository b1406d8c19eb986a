// Observations of whole 8-bit values.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/observation_batches.h"
#include "trainer/model/observation.h"

namespace elbow {
namespace {

using testing::HasSubstr;
using Shape = std::vector<std::int64_t>;

const RunNoise kTrainingNoise{1, 0, 0};
const StoredRows kBytes{{5, 4, 3}, ValueType::kUint8};

Observation of_levels(std::int64_t levels, const StoredRows& rows = kBytes) {
  return {{}, rows, "categorical", std::nullopt, levels};
}

Batch batch_of(std::int64_t index, const std::vector<int>& values) {
  Batch batch;
  batch.indices = {index};
  batch.shape = {static_cast<std::int64_t>(values.size())};
  for (const int value : values) batch.values.push_back(static_cast<std::byte>(value));
  return batch;
}

TEST(ObservationOfLevels, TakesValuesAsTheyAre) {
  for (const char* likelihood : {"discretised-logistic", "categorical"}) {
    const Observation observation({}, kBytes, likelihood);
    EXPECT_EQ(observation.values(), Values::kRaw);
    EXPECT_EQ(observation.levels(), 256);
    const auto batch = byte_batch({5, 8, 11, 1000000000000}, kBytes.shape);
    const auto x = observation.x(batch, kTrainingNoise);
    EXPECT_EQ(x.sizes(), (Shape{4, 3, 5, 4}));
    EXPECT_TRUE(torch::equal(observation.in_file_units(x).flatten(), bytes_of(batch)));
    EXPECT_TRUE(torch::equal(x, observation.x(batch, {2, 1, 7})));
    EXPECT_EQ(observation.log_jacobian(), 0.0);
  }
}

TEST(ObservationOfLevels, SmallAlphabetsFillTheRange) {
  const auto observation = of_levels(5, {{5}, ValueType::kUint8});
  const auto x = observation.x(batch_of(0, {0, 1, 2, 3, 4}), kTrainingNoise);
  EXPECT_TRUE(torch::allclose(x, torch::arange(5) / 5.0F, 1e-7, 0));
  EXPECT_TRUE(torch::allclose(observation.in_file_units(x), torch::arange(5.0F)));
  EXPECT_TRUE(torch::allclose(observation.display(x), torch::arange(5.0F) / 4));
}

TEST(ObservationOfLevels, ALevelTooManyIsRefusedByItsSample) {
  for (const char* likelihood : {"discretised-logistic", "categorical"}) {
    for (const int value : {16, 17, 255}) {
      const Observation observation({}, {{2}, ValueType::kUint8}, likelihood, std::nullopt, 16);
      EXPECT_NO_THROW(observation.x(batch_of(1, {0, 15}), kTrainingNoise));
      try {
        observation.x(batch_of(41, {15, value}), kTrainingNoise);
        FAIL() << value;
      } catch (const DataError& error) {
        EXPECT_THAT(error.what(), HasSubstr(fmt::format("sample 41 holds the value {},", value)));
        EXPECT_THAT(error.what(), HasSubstr(fmt::format("at least {}", value + 1)));
      }
    }
  }
  EXPECT_NO_THROW(
      of_levels(256, {{2}, ValueType::kUint8}).x(batch_of(1, {0, 255}), kTrainingNoise));
}

TEST(ObservationOfLevels, ClaimsAProbability) {
  const auto observation = of_levels(256);
  EXPECT_EQ(observation.measure_text(), "probability of 8-bit values");
  EXPECT_EQ(of_levels(16).measure_text(), "probability of 8-bit values below 16");
  EXPECT_EQ(observation.no_likelihood_reason(), "");
  EXPECT_NEAR(*observation.bits_per_dim(-60 * std::log(256.0)), 8, 1e-12);
  EXPECT_NEAR(*of_levels(16).bits_per_dim(-60 * std::log(16.0)), 4, 1e-12);
  EXPECT_FALSE(Observation::needs_statistics({}, kBytes, "categorical"));
}

TEST(ObservationOfLevels, LaplaceIsADensity) {
  const Observation bytes({}, kBytes, "laplace");
  EXPECT_EQ(bytes.values(), Values::kDithered);
  EXPECT_EQ(bytes.measure_text(), "density of x = (k + u)/256 on [0,1)");
  EXPECT_NEAR(*bytes.bits_per_dim(120 * std::log(2.0)), 6, 1e-12);
  EXPECT_TRUE(Observation::needs_statistics({}, {{4}, ValueType::kFloat32}, "laplace"));
  EXPECT_THAT(Observation({"raw", "auto"}, kBytes, "laplace").no_likelihood_reason(),
              HasSubstr("undithered"));
}

void expect_refused(const std::string& values, const StoredRows& rows, std::int64_t levels,
                    const std::string& text) {
  for (const char* likelihood : {"discretised-logistic", "categorical"}) {
    try {
      const Observation observation({values, "auto"}, rows, likelihood, std::nullopt, levels);
      FAIL() << text;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
  }
}

TEST(ObservationOfLevels, RefusesWhatCannotBeMeant) {
  const StoredRows floats{{5, 4, 3}, ValueType::kFloat32};
  expect_refused("auto", floats, 256, "is for whole 8-bit values");
  expect_refused("raw", floats, 256, "use 'gaussian' or 'laplace'");
  expect_refused("dithered", kBytes, 256, "use 'raw', or model.likelihood = 'gaussian'");
  expect_refused("standardised", kBytes, 256, "use 'raw', or model.likelihood = 'gaussian'");
  for (const char* values : {"binary-dynamic", "binary-fixed", "binary-threshold"}) {
    expect_refused(values, kBytes, 256, "use 'raw', or model.likelihood = 'bernoulli'");
  }
  expect_refused("auto", kBytes, 1, "model.levels: 1 is not from 2 to 256");
  expect_refused("auto", kBytes, 257, "model.levels: 257 is not from 2 to 256");
  expect_refused("levels", kBytes, 256, "there is no 'levels'");
}

}  // namespace
}  // namespace elbow
