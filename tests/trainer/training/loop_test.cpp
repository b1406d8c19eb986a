#include "trainer/training/loop.h"

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
  EXPECT_GT(history.steps.back().elbo, history.steps.front().elbo + 10);
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

}  // namespace
}  // namespace elbow
