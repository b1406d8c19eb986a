#include "trainer/model/conditioning.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/message_of.h"

namespace elbow {
namespace {

using test::message_of;

Batch labelled(std::vector<std::int64_t> indices, std::vector<double> labels) {
  Batch batch;
  batch.indices = std::move(indices);
  batch.labels = std::move(labels);
  return batch;
}

TEST(Conditioning, NoneHasNothingToSay) {
  const Conditioning none;
  EXPECT_EQ(none.size(), 0);
  EXPECT_FALSE(none.c(labelled({1}, {})).defined());
  EXPECT_EQ(none.summary(), "");
  EXPECT_TRUE(none.to_json().is_null());
  EXPECT_EQ(Conditioning::from_json(nullptr).size(), 0);
}

TEST(Conditioning, ClassesAreOneOfK) {
  const auto classes = Conditioning::classes({6, 0, 2});
  const auto c = classes.c(labelled({10, 11, 12}, {2, 0, 1}));
  EXPECT_TRUE(
      torch::equal(c, torch::tensor({{0.0F, 0.0F, 1.0F}, {1.0F, 0.0F, 0.0F}, {0.0F, 1.0F, 0.0F}})));
  const auto log_frequency = classes.log_frequency();
  EXPECT_NEAR(log_frequency[0].item<double>(), std::log(0.75), 1e-15);
  EXPECT_EQ(log_frequency[1].item<double>(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(classes.summary(), "3 classes");
  EXPECT_EQ(classes.met(), (std::vector<std::int64_t>{0, 2}));
}

TEST(Conditioning, ValuesAreStandardised) {
  const auto values = Conditioning::values({1.0, -2.0}, {0.5, 0.0});  // the second never varied
  const auto c = values.c(labelled({3}, {2.0, -1.5}));
  EXPECT_TRUE(torch::equal(c, torch::tensor({{2.0F, 0.5F}})));
  EXPECT_EQ(values.summary(), "2 values");
}

TEST(Conditioning, LabelsThatAreNoClassAreRefusedByName) {
  const auto classes = Conditioning::classes({1, 1});
  for (const double label : {2.0, -1.0, 0.5, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THAT(message_of<DataError>([&] {
                  classes.c(labelled({4, 77}, {0, label}));
                }),
                testing::HasSubstr("sample 77"))
        << label;
  }
  EXPECT_THROW(classes.c(labelled({4, 5}, {0, 1, 1, 0})), DataError);
  EXPECT_THROW(classes.c(labelled({4}, {})), DataError);
  EXPECT_THROW(Conditioning::classes({0, 0}), DataError);
}

// Whether such a sample stops the run is decided elsewhere.
TEST(Conditioning, SamplesThatAreNotFiniteStayInTheBatch) {
  auto batch = labelled({4, 5}, {std::numeric_limits<double>::quiet_NaN(), 1});
  batch.not_finite = {0};
  const auto c = Conditioning::classes({1, 1}).c(batch);
  EXPECT_TRUE(torch::equal(c, torch::tensor({{0.0F, 0.0F}, {0.0F, 1.0F}})));
}

TEST(Conditioning, ComesBackFromJson) {
  const auto classes = Conditioning::from_json(Conditioning::classes({6, 0, 2}).to_json());
  EXPECT_TRUE(classes.is_classes());
  EXPECT_EQ(classes.size(), 3);
  const auto values = Conditioning::from_json(Conditioning::values({1.5}, {2.5}).to_json());
  EXPECT_TRUE(torch::equal(values.c(labelled({3}, {4.0})), torch::tensor({{1.0F}})));
}

TEST(Conditioning, StrangersFilesAreRefused) {
  using Json = nlohmann::ordered_json;
  for (const char* text :
       {"3", "{}", R"({"classes": 3})", R"({"classes": [-1, 2]})", R"({"classes": [0]})",
        R"({"mean": [1], "deviation": []})", R"({"mean": [], "deviation": []})",
        R"({"mean": ["a"], "deviation": [1]})"}) {
    EXPECT_THROW(Conditioning::from_json(Json::parse(text)), CheckpointError) << text;
  }
}

}  // namespace
}  // namespace elbow
