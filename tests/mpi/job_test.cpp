// The job is the unit, never the rank: training and evaluation on these ranks against the same job
// run by rank 0 alone.
#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/base/temporary_folder.h"
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
    EXPECT_NEAR(history.steps[step].figures[kElboFigure], expected.steps[step].figures[kElboFigure],
                1e-5 * std::max(1.0, std::abs(expected.steps[step].figures[kElboFigure])))
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

// Reproducible sums: the same bits as one rank alone makes, whatever is switched on. 61 samples in
// batches of 24 end with one of 13, which makes three shards.
struct Variant {
  std::string name;
  std::string network;
  std::string optimizer;
  bool everything;  // clipping, accumulation, average, step schedule, spike guard
};

class Reproducible : public testing::TestWithParam<Variant> {
 protected:
  SmallJob make_job() const {
    SmallJob job(images(61), 0, "gaussian", GetParam().network);
    job.training.batch = 24;
    job.training.sum = "reproducible";
    job.training.shards = 5;
    job.optimizer.kind = GetParam().optimizer;
    if (GetParam().everything) {
      job.training.clip = 0.7;
      job.training.accumulation = 2;
      job.training.average = 0.9;
      job.training.spike = 50;
      job.optimizer.schedule = "step";
      job.optimizer.warmup = 0.5;
      job.optimizer.weight_decay = 0.01;
    }
    return job;
  }
};

TEST_P(Reproducible, TrainsToTheBitsOfOneRank) {
  const auto alone = make_single_communicator();
  SmallJob expected = make_job();
  const SmallJob::History expected_history = expected.train(*alone);
  SmallJob job = make_job();
  const SmallJob::History history = job.train(ranks());
  EXPECT_TRUE(torch::equal(job.everything(), expected.everything()));
  for (std::size_t step = 0; step < history.steps.size(); ++step) {
    EXPECT_EQ(history.steps[step].figures[kElboFigure],
              expected_history.steps[step].figures[kElboFigure]);
    EXPECT_EQ(history.steps[step].gradient_norm, expected_history.steps[step].gradient_norm);
  }
  EXPECT_EQ(to_json(history.record), to_json(expected_history.record));
}

// Stopped on all ranks, gone on by one alone, stopped again and finished by all.
TEST_P(Reproducible, GoesOnAtAnotherNumberOfRanks) {
  const auto alone = make_single_communicator();
  SmallJob expected = make_job();
  expected.train(*alone);

  // Every rank keeps a folder of its own, so that each can go on alone.
  const TemporaryFolder folder;
  Communicator* communicators[] = {&ranks(), alone.get(), &ranks()};
  std::vector<std::int64_t> consumed;
  std::optional<SmallJob> job;
  for (int session = 0; session < 3; ++session) {
    Communicator& comm = *communicators[session];
    job.emplace(make_job());
    TrainingJob training = job->job(comm);
    if (session > 0) job->state().restore(*load_newest_checkpoint(folder.path()));
    CheckpointWriter writer(comm, folder.path(), {}, session + 1, [] {});
    training.checkpoints = &writer;
    int steps = 0;
    training.on_step = [&](const StepReport&) { ++steps; };
    training.stop_requested = [&] { return session < 2 && steps == 2; };
    training.on_shard = [&](const Batch& batch) {
      if (&comm != alone.get() || ranks().rank() == 0) {
        consumed.insert(consumed.end(), batch.indices.begin(), batch.indices.end());
      }
    };
    EXPECT_EQ(train(training), session < 2 ? TrainingEnd::kSignal : TrainingEnd::kFinished);
    // What rank 0 saved is what the others would have.
    if (ranks().rank() != 0 && &comm != alone.get()) {
      Manifest manifest;
      manifest.step = job->state().record().step;
      manifest.record = to_json(job->state().record());
      const auto staging = staging_folder(folder.path(), manifest.step, session + 1);
      for (const StateFile& file : job->state().files()) {
        manifest.files.push_back(stage_file(staging, file));
      }
      publish_checkpoint(folder.path(), staging, manifest, [] {});
    }
  }
  EXPECT_TRUE(torch::equal(job->everything(), expected.everything()));

  // Each sample once an epoch, over all sessions and ranks.
  torch::Tensor counts = torch::zeros({61}, torch::kLong);
  for (const std::int64_t index : consumed) counts[index] += 1;
  ranks().all_reduce(counts, Reduction::kSum);
  EXPECT_TRUE(torch::equal(counts, torch::full({61}, 2, torch::kLong)));
}

INSTANTIATE_TEST_SUITE_P(
    Variants, Reproducible,
    testing::Values(Variant{"mlp", "mlp", "adam", false}, Variant{"mlp_all", "mlp", "adamw", true},
                    Variant{"convolutional", "convolutional", "adam", false},
                    Variant{"convolutional_all", "convolutional", "sgd", true}),
    [](const auto& info) { return info.param.name; });

// Fast sums: the same bits for the same number of ranks.
TEST(Fast, TrainsTwiceToTheSameBits) {
  SmallJob first(images(61), 0);
  first.train(ranks());
  SmallJob second(images(61), 0);
  second.train(ranks());
  EXPECT_TRUE(torch::equal(first.everything(), second.everything()));
}

TEST(Replicas, ThatDifferAreFoundWithinTheInterval) {
  if (ranks().size() == 1) return;  // one rank always agrees with itself
  SmallJob job(images(61), 0);
  TrainingJob training = job.job(ranks());
  training.schedule.compare = parse_interval("3 steps");
  std::int64_t steps = 0;
  training.on_step = [&](const StepReport& report) {
    steps = report.step;
    if (report.step != 4 || ranks().rank() != ranks().size() - 1) return;
    job.procedure().parameters()[0].data().view(-1)[0] += 1e-3;  // as a flipped bit would
  };
  try {
    train(training);
    FAIL() << "nothing was thrown";
  } catch (const SharedError& error) {
    EXPECT_EQ(error.code(), ExitCode::kCommunication);
    EXPECT_NE(std::string(error.what()).find("differ after 6 steps"), std::string::npos)
        << error.what();
  }
  EXPECT_EQ(steps, 6);
}

// Every rank writes files of its own; rank 0 publishes them under one manifest.
TEST(CheckpointWriters, GatherTheFilesOfAllRanks) {
  const std::filesystem::path root = std::filesystem::path(test::shared_folder()) / "written";
  CheckpointWriter writer(ranks(), root, {}, 3, [] {});
  for (const std::int64_t step : {10, 20}) {
    Manifest manifest;
    manifest.step = step;
    manifest.record = {{"step", step}};
    const std::string mine = fmt::format("part-{:05}.safetensors", ranks().rank());
    writer.begin(manifest, {{mine, {{"rows", torch::full({4}, ranks().rank(), torch::kLong)}}}});
    EXPECT_TRUE(writer.in_the_making());
    const auto outcome = writer.finish();
    ASSERT_TRUE(outcome);
    EXPECT_EQ(outcome->problem, "");
    EXPECT_GT(outcome->bytes, 0U);
  }
  const auto checkpoint = load_newest_checkpoint(root);
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->manifest.step, 20);
  EXPECT_EQ(checkpoint->manifest.generation, 3);
  ASSERT_EQ(static_cast<int>(checkpoint->files.size()), ranks().size());
  for (int rank = 0; rank < ranks().size(); ++rank) {
    const auto& file = checkpoint->files.at(fmt::format("part-{:05}.safetensors", rank));
    EXPECT_TRUE(torch::equal(file.at("rows"), torch::full({4}, rank, torch::kLong)));
  }
  ranks().barrier();
}

TEST(CheckpointWriters, FailOnAllRanksWhenOneCannotWrite) {
  const std::filesystem::path root = std::filesystem::path(test::shared_folder()) / "failing";
  CheckpointWriter writer(ranks(), root, {}, 1, [] {});
  const bool last = ranks().rank() == ranks().size() - 1;
  Manifest manifest;
  manifest.step = 10;
  // A name that leads into a folder which does not exist.
  const std::string name = last ? "missing/x.safetensors" : fmt::format("{}.x", ranks().rank());
  writer.begin(manifest, {{name, {{"rows", torch::zeros({4})}}}});
  const auto outcome = writer.finish();
  ASSERT_TRUE(outcome);
  EXPECT_NE(outcome->problem.find("missing/x.safetensors"), std::string::npos) << outcome->problem;
  if (ranks().size() > 1) {
    EXPECT_EQ(outcome->problem.find(fmt::format("[rank {}]", ranks().size() - 1)), 0U);
  }
  ranks().barrier();
  EXPECT_TRUE(list_checkpoints(root).empty());
}

TEST(Coordinators, DecideForAllByRankZerosClockAndAnyRanksSignal) {
  Schedule schedule;
  schedule.save = parse_interval("2 steps");
  schedule.validate = parse_interval("1 epoch");
  Coordinator coordinator(ranks(), schedule);
  Decisions decisions = coordinator.agree({1, 0, false, 0}, false, false);
  EXPECT_EQ(decisions.stop, Stop::kNo);
  EXPECT_FALSE(decisions.save || decisions.validate || decisions.compare || decisions.any_busy);
  const bool last = ranks().rank() == ranks().size() - 1;
  decisions = coordinator.agree({2, 1, true, 0}, last, last);
  EXPECT_EQ(decisions.stop, Stop::kSignal);
  EXPECT_TRUE(decisions.save && decisions.validate && decisions.any_busy);

  if (ranks().size() > 1) {
    EXPECT_THROW(coordinator.agree({last ? 4 : 3, 1, true, 0}, false, false), SharedError);
  }

  schedule.time_limit = 1e-9;
  Coordinator limited(ranks(), schedule);
  EXPECT_EQ(limited.agree({1, 0, false, 0}, false, false).stop, Stop::kTimeLimit);
}

// Float images of which one holds a NaN, or each where `bad` is -1.
std::string images_with_nan(std::int64_t samples, std::int64_t bad) {
  const std::string file = fmt::format("{}/nan{}.h5", test::shared_folder(), bad);
  if (ranks().rank() == 0 && !std::filesystem::exists(file)) {
    std::vector<float> values(static_cast<std::size_t>(samples * 6));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.1F * static_cast<float>(i % 10);
    for (std::int64_t i = 0; i < samples; ++i) {
      if (bad >= 0 && i != bad) continue;
      values[static_cast<std::size_t>(i * 6 + 2)] = std::numeric_limits<float>::quiet_NaN();
    }
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

TEST_F(JobWithNan, IsNoJobWhenNothingIsLeft) {
  SmallJob job(images_with_nan(29, -1), 0);
  job.skip_not_finite = true;
  const std::string training = message([&] { job.train(ranks()); });
  EXPECT_NE(training.find("nothing to train on"), std::string::npos) << training;
  const std::string evaluation = message([&] { job.evaluate(ranks(), 8); });
  EXPECT_NE(evaluation.find("nothing to evaluate"), std::string::npos) << evaluation;
}

TEST_F(JobWithNan, LeavesTheSampleOutWhenTold) {
  SmallJob job(images_with_nan(29, kBad), 0);
  job.skip_not_finite = true;
  const SmallJob::History history = job.train(ranks());
  std::int64_t count = 0;
  for (const StepReport& step : history.steps) {
    count += step.count;
    EXPECT_TRUE(std::isfinite(step.figures[kElboFigure]));
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
