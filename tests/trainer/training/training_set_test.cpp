#include "trainer/training/training_set.h"

#include <gtest/gtest.h>

#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using test::message_of;
using test::TemporaryFolder;

class TrainingSets : public testing::Test {
 protected:
  TrainingSets() {
    test::write_bytes(file_, "/images", {100, 4, 4});
    test::write_bytes(file_, "/labels", {100});
    test::write_bytes(file_, "/few_labels", {99});
    test::write_bytes(file_, "/validation", {20, 4, 4});
    test::write_bytes(file_, "/wide", {20, 4, 5});
    options_.train = {file_ + ":/images"};
  }

  TemporaryFolder folder_;
  std::string file_ = folder_ / "data.h5";
  DataOptions options_;
};

TEST_F(TrainingSets, HoldsOutAFraction) {
  options_.validation = "0.2";
  TrainingSet set(options_, 1);
  EXPECT_EQ(set.order().size(), 80);
  ASSERT_EQ(set.validation_count(), 20);
  for (std::int64_t i = 0; i < 20; ++i) {
    EXPECT_TRUE(set.split().is_held_out(set.validation_range().index_of(i)));
  }
}

TEST_F(TrainingSets, HoldsOutNothing) {
  options_.validation = "0";
  TrainingSet set(options_, 1);
  EXPECT_FALSE(set.has_validation());
  EXPECT_EQ(set.validation_count(), 0);
  EXPECT_EQ(set.order().size(), 100);
}

TEST_F(TrainingSets, TakesAValidationSetOfItsOwn) {
  options_.validation = file_ + ":/validation";
  TrainingSet set(options_, 1);
  EXPECT_EQ(set.order().size(), 100);
  EXPECT_EQ(set.validation_count(), 20);
  EXPECT_EQ(set.validation_range().index_of(19), 19);
  EXPECT_EQ(set.validation_images().size(), 20);
}

TEST_F(TrainingSets, RefusesValidationOfAnotherShape) {
  options_.validation = file_ + ":/wide";
  const std::string message = message_of([&] { TrainingSet(options_, 1); });
  EXPECT_NE(message.find("/wide holds rows of shape [4, 5]"), std::string::npos) << message;
}

TEST_F(TrainingSets, RefusesLabelsOfAnotherCount) {
  options_.labels = {file_ + ":/few_labels"};
  const std::string message = message_of([&] { TrainingSet(options_, 1); });
  EXPECT_NE(message.find("99 labels for the 100 samples"), std::string::npos) << message;
}

TEST_F(TrainingSets, FingerprintTellsDataApart) {
  const TrainingSet images(options_, 1);
  options_.labels = {file_ + ":/labels"};
  const TrainingSet labelled(options_, 1);
  EXPECT_NE(images.fingerprint(), labelled.fingerprint());
}

}  // namespace
}  // namespace elbow
