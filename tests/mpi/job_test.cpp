// The job is the unit, never the rank: training and evaluation on these ranks against the same job
// run by rank 0 alone.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/mpi/ranks.h"
#include "tests/trainer/training/small_job.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

using test::ranks;
using test::SmallJob;

std::string images(std::int64_t samples) {
  const std::string file = fmt::format("{}/{}.h5", test::shared_folder(), samples);
  if (ranks().rank() == 0 && !std::filesystem::exists(file)) {
    test::write_small_images(file, samples);
  }
  ranks().barrier();
  return file;
}

// The (index, pixel) pairs of one step of all ranks, in the order of ranks.
std::vector<std::pair<double, double>> gather(
    const std::vector<std::pair<std::int64_t, float>>& mine) {
  constexpr std::int64_t kMost = 64;
  torch::Tensor packed = torch::full({kMost, 2}, -1.0, torch::kDouble);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    packed[static_cast<std::int64_t>(i)][0] = static_cast<double>(mine[i].first);
    packed[static_cast<std::int64_t>(i)][1] = static_cast<double>(mine[i].second);
  }
  const torch::Tensor all = ranks().all_gather(packed).view({-1, 2});
  std::vector<std::pair<double, double>> pairs;
  for (std::int64_t i = 0; i < all.size(0); ++i) {
    const auto index = all[i][0].item<double>();
    if (index >= 0) pairs.emplace_back(index, all[i][1].item<double>());
  }
  return pairs;
}

class Job : public testing::TestWithParam<std::int64_t> {};

TEST_P(Job, TrainsAsOneRankDoes) {
  const std::string file = images(GetParam());
  const auto alone = make_single_communicator();
  const SmallJob::History expected = SmallJob(file, 0).train(*alone);
  const SmallJob::History history = SmallJob(file, 0).train(ranks());

  ASSERT_EQ(history.steps.size(), expected.steps.size());
  for (std::size_t step = 0; step < history.steps.size(); ++step) {
    const auto pairs = gather(history.batches[step]);
    ASSERT_EQ(pairs.size(), expected.batches[step].size());
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      EXPECT_EQ(pairs[i].first, static_cast<double>(expected.batches[step][i].first));
      EXPECT_EQ(pairs[i].second, static_cast<double>(expected.batches[step][i].second));
    }
    EXPECT_EQ(history.steps[step].count, expected.steps[step].count);
    EXPECT_NEAR(history.steps[step].elbo, expected.steps[step].elbo,
                1e-5 * std::max(1.0, std::abs(expected.steps[step].elbo)))
        << "step " << step;
  }
}

TEST_P(Job, UsesEachSampleExactlyOnceAnEpoch) {
  SmallJob job(images(GetParam()), 0);
  const SmallJob::History history = job.train(ranks());
  const auto per_epoch = static_cast<std::int64_t>(history.steps.size()) / job.training.epochs;
  for (std::int64_t epoch = 0; epoch < job.training.epochs; ++epoch) {
    std::vector<double> seen;
    for (std::int64_t step = 0; step < per_epoch; ++step) {
      const auto& batch = history.batches[static_cast<std::size_t>(epoch * per_epoch + step)];
      for (const auto& [index, pixel] : gather(batch)) seen.push_back(index);
    }
    std::sort(seen.begin(), seen.end());
    ASSERT_EQ(static_cast<std::int64_t>(seen.size()), GetParam());
    for (std::int64_t i = 0; i < GetParam(); ++i) {
      EXPECT_EQ(seen[static_cast<std::size_t>(i)], static_cast<double>(i));
    }
  }
}

// 103 samples in blocks of 16 are 7 blocks, the last of 7: nothing that 2, 3 or 4 ranks divide.
TEST_P(Job, EvaluatesToTheSameBits) {
  const std::string file = images(GetParam());
  const auto alone = make_single_communicator();
  const auto figures_json = [&](Communicator& comm) {
    SmallJob job(file, 0);
    std::vector<double> rows;
    const Figures figures = job.evaluate(comm, 16, [&](auto, const BlockFigures& block) {
      rows.insert(rows.end(), block.log_likelihood.begin(), block.log_likelihood.end());
    });
    return std::pair(to_json(figures, job.observation(), {}).dump(), rows);
  };
  const auto [expected, expected_rows] = figures_json(*alone);
  const auto [figures, rows] = figures_json(ranks());
  EXPECT_EQ(figures, expected);
  if (ranks().rank() == 0) {
    EXPECT_EQ(static_cast<std::int64_t>(rows.size()), GetParam());
    EXPECT_EQ(rows, expected_rows);
  }
}

INSTANTIATE_TEST_SUITE_P(Samples, Job, testing::Values(1, 7, 61, 103));

// Float images of which one holds a NaN.
std::string images_with_nan(std::int64_t samples, std::int64_t bad) {
  const std::string file = test::shared_folder() + "/nan.h5";
  if (ranks().rank() == 0 && !std::filesystem::exists(file)) {
    std::vector<float> values(static_cast<std::size_t>(samples * 6));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.1F * static_cast<float>(i % 10);
    values[static_cast<std::size_t>(bad * 6 + 2)] = std::numeric_limits<float>::quiet_NaN();
    test::write_h5(file, "/images", {static_cast<hsize_t>(samples), 6}, H5T_IEEE_F32LE,
                   H5T_NATIVE_FLOAT, values.data());
  }
  ranks().barrier();
  return file;
}

class JobWithNan : public testing::Test {
 protected:
  static constexpr std::int64_t kBad = 11;

  std::string message(const std::function<void()>& action) {
    try {
      action();
    } catch (const SharedError& error) {
      EXPECT_EQ(error.code(), ExitCode::kData);
      return error.what();
    }
    return "";
  }
};

TEST_F(JobWithNan, StopsOnAllRanksAndNamesTheSample) {
  SmallJob job(images_with_nan(29, kBad), 0);
  const std::string training = message([&] { job.train(ranks()); });
  EXPECT_NE(training.find("sample 11 "), std::string::npos) << training;
  EXPECT_NE(training.find("row 11 of "), std::string::npos) << training;
  const std::string evaluation = message([&] { job.evaluate(ranks(), 8); });
  EXPECT_NE(evaluation.find("sample 11 "), std::string::npos) << evaluation;
}

TEST_F(JobWithNan, IsTheSameForProbabilities) {
  SmallJob job(images_with_nan(29, kBad), 0, "bernoulli");
  EXPECT_NE(message([&] { job.train(ranks()); }).find("sample 11 "), std::string::npos);
  job.skip_not_finite = true;
  EXPECT_EQ(job.train(ranks()).record.skipped_samples, 2);
  EXPECT_EQ(job.evaluate(ranks(), 8).count, 28);
}

TEST_F(JobWithNan, LeavesTheSampleOutWhenTold) {
  SmallJob job(images_with_nan(29, kBad), 0);
  job.skip_not_finite = true;
  const SmallJob::History history = job.train(ranks());
  std::int64_t count = 0;
  for (const StepReport& step : history.steps) {
    count += step.count;
    EXPECT_TRUE(std::isfinite(step.elbo));
  }
  EXPECT_EQ(count, 2 * 28);
  EXPECT_EQ(history.record.skipped_samples, 2);
  const Figures figures = job.evaluate(ranks(), 8);
  EXPECT_EQ(figures.count, 28);
  EXPECT_EQ(figures.skipped, std::vector<std::int64_t>{kBad});
  EXPECT_TRUE(std::isfinite(figures.log_likelihood));
}

}  // namespace
}  // namespace elbow
