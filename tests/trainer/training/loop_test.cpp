#include "trainer/training/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/trainer/training/small_job.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

using test::SmallJob;
using test::TemporaryFolder;

class TrainingLoop : public testing::Test {
 protected:
  TrainingLoop() { test::write_small_images(file_, 37); }

  // Validations that follow a script; the last value repeats.
  static std::function<Figures()> scripted(std::vector<double> elbos) {
    return [elbos = std::move(elbos), next = std::size_t{0}]() mutable {
      Figures figures;
      figures.elbo = elbos[std::min(next++, elbos.size() - 1)];
      return figures;
    };
  }

  TemporaryFolder folder_;
  std::string file_ = folder_ / "images.h5";
  std::unique_ptr<Communicator> comm_ = make_single_communicator();
};

TEST_F(TrainingLoop, IsAFunctionOfItsConfiguration) {
  const auto parameters = [&](std::int64_t seed) {
    SmallJob small(file_, 0);
    small.training.seed = seed;
    small.train(*comm_);
    std::vector<torch::Tensor> values;
    for (const auto& p : small.procedure().parameters()) values.push_back(p.detach().flatten());
    return torch::cat(values);
  };
  const torch::Tensor first = parameters(5);
  EXPECT_TRUE(torch::equal(first, parameters(5)));
  EXPECT_FALSE(torch::equal(first, parameters(6)));
}

TEST_F(TrainingLoop, RaisesTheElbo) {
  SmallJob small(file_, 0);
  small.training.epochs = 60;
  small.optimizer.rate = 1e-2;
  const auto history = small.train(*comm_);
  EXPECT_GT(history.steps.back().figures[kElboFigure],
            history.steps.front().figures[kElboFigure] + 10);
}

TEST_F(TrainingLoop, CountsStepsSamplesAndEpochs) {
  SmallJob small(file_, 0);
  const auto history = small.train(*comm_);
  ASSERT_EQ(history.steps.size(), 10U);  // 2 epochs of 5: 8, 8, 8, 8, 5
  EXPECT_EQ(history.steps[4].count, 5);
  EXPECT_EQ(history.steps[4].samples, 37);
  EXPECT_EQ(history.steps[4].epoch, 0);
  EXPECT_EQ(history.steps[5].epoch, 1);
  EXPECT_EQ(history.record.samples, 74);
  EXPECT_EQ(history.end, TrainingEnd::kFinished);
}

TEST_F(TrainingLoop, ClippingBoundsTheFirstStepOfPlainDescent) {
  // Adam's own scaling hides a clip, but with a large epsilon its step is proportional to the
  // gradient: rate * g / epsilon.
  const auto moved = [&](double clip) {
    SmallJob small(file_, 0);
    small.training.batch = 37;
    small.training.epochs = 1;
    small.training.clip = clip;
    small.optimizer.schedule = "constant";
    small.optimizer.rate = 1e7;
    small.optimizer.epsilon = 1e9;
    const auto before = small.procedure().parameters();
    std::vector<torch::Tensor> old;
    for (const auto& p : before) old.push_back(p.detach().clone());
    small.train(*comm_);
    double squares = 0;
    for (std::size_t i = 0; i < old.size(); ++i) {
      squares +=
          (small.procedure().parameters()[i].detach() - old[i]).square().sum().item<double>();
    }
    return std::sqrt(squares);
  };
  const double free = moved(0);
  const double clipped = moved(0.5);
  EXPECT_NEAR(clipped, 1e7 * 0.5 / 1e9, 1e-3 * 1e7 * 0.5 / 1e9);
  EXPECT_GT(free, 2 * clipped);
}

TEST_F(TrainingLoop, KeepsTheBestValidationAndStopsWithoutGain) {
  SmallJob small(file_, 0);
  small.training.epochs = 50;
  TrainingJob training = small.job(*comm_);
  training.validate = scripted({1.0, 3.0, 2.0, 2.5, 2.9, 9.0});
  training.schedule.validate = parse_interval("1 epoch");
  training.patience = 3;
  std::vector<bool> best;
  training.on_validation = [&](const ValidationReport& report) { best.push_back(report.best); };
  EXPECT_EQ(train(training), TrainingEnd::kPatience);
  EXPECT_EQ(best, (std::vector<bool>{true, true, false, false, false}));
  const TrainingRecord& record = small.state().record();
  EXPECT_EQ(record.best->figures.elbo, 3.0);
  EXPECT_EQ(record.best->epoch, 1);
  EXPECT_EQ(record.step, 25);
}

TEST_F(TrainingLoop, StopsAtTheNextStepWhenAsked) {
  SmallJob small(file_, 0);
  TrainingJob training = small.job(*comm_);
  int asked = 0;
  training.stop_requested = [&] { return ++asked == 3; };
  EXPECT_EQ(train(training), TrainingEnd::kSignal);
  EXPECT_EQ(small.state().record().step, 3);
}

TEST_F(TrainingLoop, RefusesToGoOnWhenTheObjectiveIsLost) {
  SmallJob small(file_, 0);
  small.optimizer.rate = 1e30;
  small.optimizer.schedule = "constant";
  try {
    small.train(*comm_);
    FAIL() << "nothing was thrown";
  } catch (const SharedError& error) {
    EXPECT_NE(std::string(error.what()).find("--optimizer.rate"), std::string::npos)
        << error.what();
  }
}

// What 4 x 4 images of numbers up to `largest`, taken as they are, are told in training.
std::string told_of(const std::string& file, float largest, Communicator& comm) {
  std::vector<float> values(16 * 16);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = largest * static_cast<float>(i % 17) / 16;
  }
  test::write_h5(file, "/images", {16, 4, 4}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, values.data());
  SmallJob small(file, 0);
  testing::internal::CaptureStderr();
  std::string refused;
  try {
    small.train(comm);
  } catch (const SharedError& error) {
    refused = error.what();
  }
  return testing::internal::GetCapturedStderr() + refused;
}

// No rate would help: the first step's figures are of the data alone.
TEST_F(TrainingLoop, SaysAtTheFirstStepWhatIsWrongWithTheScaleOfTheData) {
  EXPECT_EQ(told_of(folder_ / "unit.h5", 1, *comm_), "");
  const std::string grey = told_of(folder_ / "grey.h5", 255, *comm_);
  EXPECT_THAT(grey, testing::StartsWith("warning: x runs from 0 to 255, with a root mean square"));
  EXPECT_THAT(grey, testing::HasSubstr("--data.values standardised"));
  const std::string lost = told_of(folder_ / "lost.h5", 1e20F, *comm_);
  EXPECT_THAT(lost, testing::HasSubstr("is not finite at step 1, before any update, so that no "
                                       "rate helps: x runs from 0 to 1e+20"));
  EXPECT_THAT(lost, testing::Not(testing::HasSubstr("--optimizer.rate")));
}

// A learning rate so large that the second step's figures are lost.
TEST_F(TrainingLoop, SkipsStepsThatAreNotFiniteWhenTold) {
  SmallJob small(file_, 0);
  small.optimizer.rate = 1e30;
  small.optimizer.schedule = "constant";
  small.training.not_finite = "skip";
  const auto history = small.train(*comm_);
  EXPECT_EQ(history.record.step, 10);
  EXPECT_EQ(history.record.skipped_steps, 9);
  EXPECT_EQ(history.steps.back().count, 0);
  for (const auto& parameter : small.procedure().parameters()) {
    EXPECT_TRUE(parameter.isfinite().all().item<bool>());
  }
}

TEST_F(TrainingLoop, GivesUpAfterTooManySkippedStepsInARow) {
  SmallJob small(file_, 0);
  small.optimizer.rate = 1e30;
  small.optimizer.schedule = "constant";
  small.training.not_finite = "skip";
  small.training.epochs = 1000;
  EXPECT_THROW(small.train(*comm_), SharedError);
  EXPECT_EQ(small.state().record().skipped_in_a_row, 100);
}

// The guard is set so tight that what follows the steps in which it learns counts as a spike unless
// it is shorter than usual.
TEST_F(TrainingLoop, SkipsSpikesOnceTheUsualIsKnown) {
  SmallJob small(file_, 0);
  small.training.epochs = 10;
  small.training.batch = 2;  // so that lengths scatter
  small.training.spike = 1.0001;
  const auto history = small.train(*comm_);
  EXPECT_GT(history.record.skipped_steps, 0);
  for (std::size_t step = 0; step < 20; ++step) EXPECT_GT(history.steps[step].count, 0);
  double usual = history.steps[0].gradient_norm;
  for (std::size_t step = 1; step < history.steps.size(); ++step) {
    const StepReport& report = history.steps[step];
    if (report.count == 0) continue;
    if (step >= 20) {
      EXPECT_LE(report.gradient_norm, 1.0001 * usual);
    }
    usual = 0.98 * usual + 0.02 * report.gradient_norm;
  }
}

// Against the recursion written out in double over the parameters as they were after each step.
TEST_F(TrainingLoop, KeepsARunningMeanOfTheParameters) {
  SmallJob small(file_, 0);
  small.training.average = 0.5;
  TrainingJob training = small.job(*comm_);
  const auto values = [&] { return small.state().parameters().values().to(torch::kDouble); };
  torch::Tensor mean = values();
  training.on_step = [&](const StepReport& report) {
    const double t = static_cast<double>(report.step);
    const double decay = std::min(0.5, (1 + t) / (10 + t));
    mean = decay * mean + (1 - decay) * values();
  };
  train(training);
  torch::Tensor averaged;
  small.state().with_average([&] { averaged = values(); });
  EXPECT_LT((averaged - mean).abs().max().item<double>(), 1e-6);
  EXPECT_FALSE(torch::equal(averaged, values()));
}

TEST_F(TrainingLoop, ValidatesTheAverageBesideTheParameters) {
  SmallJob small(file_, 0);
  small.training.average = 0.9;
  TrainingJob training = small.job(*comm_);
  training.validate = [&] {
    Figures figures;
    figures.elbo = small.state().parameters().values().sum().item<double>();
    return figures;
  };
  training.on_validation = [&](const ValidationReport& report) {
    ASSERT_TRUE(report.average.has_value());
    EXPECT_NE(report.average->elbo, report.figures.elbo);
  };
  train(training);
}

// A stop comes before the validation that was due at the same step; it is made up for.
TEST_F(TrainingLoop, MakesUpForAValidationThatAStopCutOff) {
  const TemporaryFolder folder;
  const auto session = [&](bool stop) {
    SmallJob small(file_, 0);
    TrainingJob training = small.job(*comm_);
    if (const auto checkpoint = load_newest_checkpoint(folder.path())) {
      small.state().restore(*checkpoint);
    }
    CheckpointWriter writer(*comm_, folder.path(), {}, 1, [] {});
    training.checkpoints = &writer;
    training.validate = scripted({1.0});
    training.schedule.validate = parse_interval("5 steps");
    std::vector<std::int64_t> steps;
    training.on_validation = [&](const ValidationReport& report) { steps.push_back(report.step); };
    std::int64_t step = 0;
    training.on_step = [&](const StepReport& report) { step = report.step; };
    training.stop_requested = [&] { return stop && step == 5; };
    train(training);
    return steps;
  };
  EXPECT_EQ(session(true), std::vector<std::int64_t>{});
  EXPECT_EQ(session(false), (std::vector<std::int64_t>{5, 10}));
}

}  // namespace
}  // namespace elbow
