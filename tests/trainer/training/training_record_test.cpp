// The record of a training as checkpoints hold it and ranks share it.
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/message_of.h"
#include "trainer/training/training_state.h"

namespace elbow {
namespace {

using test::message_of;
using testing::HasSubstr;

TrainingRecord record_with_best(const Figures& figures) {
  TrainingRecord record;
  record.best.emplace();
  record.best->figures = figures;
  return record;
}

// What a later validation is compared with is log p(x) where there is no bound.
TEST(TrainingRecord, KeepsFiguresWithoutMeaning) {
  Figures figures;
  figures.elbo = std::numeric_limits<double>::quiet_NaN();
  figures.reconstruction = figures.elbo;
  figures.kl = figures.elbo;
  figures.log_likelihood = -12.5;
  const auto text = to_json(record_with_best(figures)).dump();
  const auto record = training_record_from_json(nlohmann::ordered_json::parse(text), "m");
  ASSERT_TRUE(record.best.has_value());
  EXPECT_TRUE(std::isnan(record.best->figures.elbo));
  EXPECT_TRUE(std::isnan(record.best->figures.reconstruction));
  EXPECT_TRUE(std::isnan(record.best->figures.kl));
  EXPECT_EQ(record.best->figures.log_likelihood, -12.5);
}

TEST(TrainingRecord, KeepsWhetherALikelihoodIsOfXGivenC) {
  Figures figures;
  figures.log_likelihood = -12.5;
  figures.given_c = true;
  const auto json = to_json(record_with_best(figures));
  EXPECT_FALSE(json["best"].contains("log_likelihood"));
  const auto best = training_record_from_json(json, "m").best;
  EXPECT_TRUE(best->figures.given_c);
  EXPECT_EQ(best->figures.log_likelihood, -12.5);
}

TEST(TrainingRecord, RefusesABestWithoutItsFigures) {
  auto json = to_json(record_with_best({}));
  json["best"].erase("log_likelihood");
  EXPECT_THROW(training_record_from_json(json, "m"), CheckpointError);
}

// A manifest's hash may be right and its record a stranger's.
TEST(TrainingRecord, NamesTheMemberThatHasAnotherType) {
  const nlohmann::ordered_json sound = to_json(record_with_best({}));
  for (const auto& [key, value] : sound.items()) {
    for (const char* other : {R"("3")", "[]", "-1", "1e400"}) {
      nlohmann::ordered_json json = sound;
      json[key] = nlohmann::ordered_json::parse(other, nullptr, false);
      if (key == "usual_norm" && json[key].is_number()) continue;
      const std::string message =
          message_of([&] { training_record_from_json(json, "step-1/manifest.json"); });
      EXPECT_THAT(message, HasSubstr("step-1/manifest.json is damaged: 'record." + key + "' "))
          << other;
    }
    nlohmann::ordered_json json = sound;
    json.erase(key);
    EXPECT_THAT(message_of([&] { training_record_from_json(json, "m"); }),
                HasSubstr("'record." + key + "' is missing"));
  }
  EXPECT_THAT(message_of([] { training_record_from_json({1, 2}, "m"); }), HasSubstr("is missing"));
}

}  // namespace
}  // namespace elbow
