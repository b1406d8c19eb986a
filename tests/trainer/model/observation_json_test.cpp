#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/trainer/model/observation_batches.h"
#include "trainer/model/observation.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

Observation standardised() {
  VariableStatistics statistics{{0.1, 1e-300, -3e8}, {1.0 / 3, 1e-30, 7}, 60000};
  return {{}, {{3}, ValueType::kFloat32}, "gaussian", statistics};
}

TEST(ObservationJson, ComesBackAsItWas) {
  const std::vector<Observation> all = {
      Observation({}, {{28, 28}, ValueType::kUint8}, "gaussian"),
      Observation({"binary-fixed", "nhwc"}, {{5, 6, 3}, ValueType::kUint8, 1}, "bernoulli"),
      Observation({"raw", "vector"}, {{5, 6, 3}, ValueType::kFloat32}, "gaussian"),
      Observation({}, {{4, 4}, ValueType::kUint8}, "discretised-logistic"),
      Observation({}, {{4, 4}, ValueType::kUint8}, "categorical", std::nullopt, 16),
      Observation({}, {{4, 4}, ValueType::kUint8, 255, ValueRange{0, 254.5}}, "gaussian"),
      standardised(),
  };
  for (const auto& observation : all) {
    const std::string text = observation.to_json().dump();
    const auto again = Observation::from_json(Json::parse(text));
    EXPECT_EQ(again.to_json().dump(), text);
    EXPECT_EQ(again.shape(), observation.shape());
    EXPECT_EQ(again.measure_text(), observation.measure_text());
    EXPECT_EQ(again.levels(), observation.levels());
    EXPECT_EQ(again.log_jacobian(), observation.log_jacobian());
  }
}

TEST(ObservationJson, GivesTheSameX) {
  const auto observation = standardised();
  const auto again = Observation::from_json(Json::parse(observation.to_json().dump()));
  const auto batch = float_batch({1}, {3}, {0.3F, 0.0F, -2e8F});
  EXPECT_TRUE(torch::equal(observation.x(batch, {}), again.x(batch, {})));
}

TEST(ObservationJson, LevelsAreOfLikelihoodsOverWholeValuesAlone) {
  const Observation density({}, {{4}, ValueType::kUint8}, "laplace", std::nullopt, 16);
  EXPECT_FALSE(density.to_json().contains("levels"));
  const auto good =
      Observation({}, {{4}, ValueType::kUint8}, "categorical", std::nullopt, 16).to_json();
  EXPECT_EQ(good["levels"], 16);
  const std::vector<Json> impossible = {0, 1, 257, -4, 3.5, "16", nullptr, UINT64_MAX};
  for (const auto& levels : impossible) {
    auto bad = good;
    bad["levels"] = levels;
    EXPECT_THROW(Observation::from_json(bad), CheckpointError) << levels;
  }
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"type", "float32"}, {"values", "dithered"}, {"values", "binary-fixed"}}) {
    auto bad = good;
    bad[key] = value;
    EXPECT_THROW(Observation::from_json(bad), CheckpointError) << value;
  }
  auto missing = good;
  missing.erase("levels");
  EXPECT_THROW(Observation::from_json(missing), CheckpointError);
}

TEST(ObservationJson, StrangersFilesAreRefused) {
  const auto good = standardised().to_json();
  const auto refuse = [&](const std::string& key, const Json& value) {
    auto bad = good;
    bad[key] = value;
    EXPECT_THROW(Observation::from_json(bad), CheckpointError) << key << " " << value;
  };
  refuse("row_shape", Json::array());
  refuse("row_shape", {1, 1, 1, 1});
  refuse("row_shape", {-3});
  refuse("row_shape", {3.5});
  refuse("row_shape", {1LL << 40});
  refuse("row_shape", {1 << 20, 1 << 20, 1 << 20});
  refuse("row_shape", {UINT64_MAX});
  refuse("row_shape", "3");
  refuse("row_shape", {4});  // another number of variables than the statistics
  refuse("type", "int16");
  refuse("type", 3);
  refuse("white", 0);
  refuse("white", 256);
  refuse("values", "auto");
  refuse("values", "dithered");  // of floats
  refuse("layout", "auto");
  refuse("layout", "nchw");  // of a vector
  refuse("likelihood", "poisson");
  refuse("likelihood", 1);
  refuse("mean", {0.0, 0.0});
  refuse("mean", {0.0, 0.0, "x"});
  refuse("mean", {0.0, 0.0, nullptr});
  refuse("deviation", {1.0, 1.0, 0.0});
  refuse("deviation", {1.0, 1.0, -1.0});
  refuse("deviation", {1.0, 1.0, std::numeric_limits<double>::infinity()});
  refuse("count", 0);
  refuse("range", 1.0);
  refuse("range", {0.0, nullptr});
  for (const auto& item : good.items()) {
    auto missing = good;
    missing.erase(item.key());
    EXPECT_THROW(Observation::from_json(missing), CheckpointError) << item.key();
  }
  EXPECT_THROW(Observation::from_json(Json::array()), CheckpointError);
}

}  // namespace
}  // namespace elbow
