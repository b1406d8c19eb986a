#include "trainer/evaluation/blocks.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/data/h5_files.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Blocks : public testing::Test {
 protected:
  std::unique_ptr<Communicator> comm_ = make_single_communicator();
  std::vector<std::int64_t> order_;
  std::vector<std::int64_t> lengths_;  // of the blocks that were computed

  BlockCompute twice_ = [this](const Batch& batch) {
    lengths_.push_back(batch.count());
    return BlockRows{2 * torch::tensor(batch.indices)};
  };
  BlockSink keep_ = [this](std::span<const std::int64_t> indices, const BlockRows& rows) {
    const auto expected = 2 * torch::tensor(std::vector(indices.begin(), indices.end()));
    EXPECT_TRUE(torch::equal(rows[0], expected));
    order_.insert(order_.end(), indices.begin(), indices.end());
  };
};

TEST_F(Blocks, ComeInTheOrderOfTheRangeTheLastOneShort) {
  const SampleRange backwards{7, [](std::int64_t i) { return 6 - i; }};
  std::vector<std::int64_t> done;
  for_each_block({*comm_, backwards, 3, nullptr, nullptr, Receivers::kRank0,
                  [&](std::int64_t count) { done.push_back(count); }},
                 twice_, keep_);
  EXPECT_THAT(order_, ElementsAre(6, 5, 4, 3, 2, 1, 0));
  EXPECT_THAT(lengths_, ElementsAre(3, 3, 1));
  EXPECT_THAT(done, ElementsAre(3, 6, 7));
}

TEST_F(Blocks, AreTheSameWhereAllReceiveThem) {
  for_each_block({*comm_, first_samples(5), 2, nullptr, nullptr, Receivers::kAll}, twice_, keep_);
  EXPECT_THAT(order_, ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(Blocks, HoldTheSamplesOfTheirIndices) {
  const test::TemporaryFolder folder;
  const std::string file = folder / "images.h5";
  test::write_bytes(file, "/images", {7, 2, 2});
  const DataSet data = DataSet::open({file + ":/images"});
  std::vector<std::byte> expected(28);
  std::vector<std::int64_t> all(7);
  std::iota(all.begin(), all.end(), 0);
  data.read(all, expected.data());
  std::vector<std::byte> seen;
  for_each_block(
      {*comm_, first_samples(7), 3, &data},
      [&](const Batch& batch) {
        seen.insert(seen.end(), batch.values.begin(), batch.values.end());
        return BlockRows{torch::tensor(batch.indices)};
      },
      [](auto, const BlockRows&) {});
  EXPECT_EQ(seen, expected);
}

TEST_F(Blocks, NothingIsDoneForAnEmptyRange) {
  for_each_block({*comm_, first_samples(0), 3}, twice_, keep_);
  EXPECT_TRUE(lengths_.empty());
}

TEST_F(Blocks, AnErrorIsSharedWithItsExitCode) {
  try {
    for_each_block(
        {*comm_, first_samples(5), 2},
        [](const Batch& batch) -> BlockRows {
          if (batch.indices[0] == 2) throw DataError("sample 2 is torn");
          return {torch::tensor(batch.indices)};
        },
        [this](auto indices, const BlockRows&) {
          order_.insert(order_.end(), indices.begin(), indices.end());
        });
    FAIL() << "no error";
  } catch (const SharedError& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    EXPECT_THAT(error.what(), HasSubstr("torn"));
  }
  EXPECT_THAT(order_, ElementsAre(0, 1));
}

}  // namespace
}  // namespace elbow
