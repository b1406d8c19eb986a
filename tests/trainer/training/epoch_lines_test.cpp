#include "trainer/training/epoch_lines.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/error.h"

namespace elbow {
namespace {

const std::vector<FigureKind> kKinds = {
    {"objective", "objective", "nats"}, {"elbo", "ELBO", "nats"}, {"kl", "KL", "nats", true}};
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

StepReport step_of(std::int64_t epoch, std::int64_t count, double elbo, double kl) {
  StepReport report;
  report.epoch = epoch;
  report.count = count;
  report.figures = {elbo, elbo, kl};
  return report;
}

ValidationReport validation_of(std::int64_t epoch, double elbo, bool best) {
  ValidationReport report;
  report.epoch = epoch;
  report.step = 1200;
  report.figures.elbo = elbo;
  report.best = best;
  return report;
}

// Means over samples, not over steps.
TEST(EpochLines, AnEpochAndItsValidationAreALine) {
  EpochLines lines(kKinds, 20, nullptr);
  EXPECT_EQ(lines.step(step_of(0, 30, -4, 1), false), "");
  EXPECT_EQ(lines.step(step_of(0, 10, 8, 2), true), "");
  EXPECT_EQ(lines.validation(validation_of(0, -0.125, true)),
            "epoch  1/20  ELBO -1.00 nats (KL 1.25)  validation ELBO -0.12 (best)");
  EXPECT_EQ(lines.step(step_of(1, 40, 3, 0.5), true), "");
  EXPECT_EQ(lines.validation(validation_of(1, -0.5, false)),
            "epoch  2/20  ELBO 3.00 nats (KL 0.50)  validation ELBO -0.50");
  EXPECT_EQ(lines.finish(), "");
}

TEST(EpochLines, AValidationWithinAnEpochHasALineOfItsOwn) {
  EpochLines lines(kKinds, 20, nullptr);
  EXPECT_EQ(lines.step(step_of(2, 10, 1, 1), false), "");
  EXPECT_EQ(lines.validation(validation_of(2, 5, false)),
            "epoch  3/20, step 1,200  validation ELBO 5.00");
}

TEST(EpochLines, AnEpochWithoutValidationIsToldByTheNextStep) {
  EpochLines lines(kKinds, 3, nullptr);
  EXPECT_EQ(lines.step(step_of(0, 10, 1, 1), true), "");
  EXPECT_EQ(lines.step(step_of(1, 10, 2, 1), true), "epoch 1/3  ELBO 1.00 nats (KL 1.00)");
  // In less than a second, and then there is no next step.
  EXPECT_EQ(lines.step(step_of(2, 10, 3, 1), true), "");
  EXPECT_EQ(lines.finish(), "epoch 3/3  ELBO 3.00 nats (KL 1.00)");
}

// Also where the checkpoint came between the end of an epoch and its validation.
TEST(EpochLines, GoOnWhereACheckpointLeftThem) {
  EpochLines before(kKinds, 2, nullptr);
  before.step(step_of(0, 30, -4, 1), false);
  EpochLines after(kKinds, 2, nlohmann::ordered_json::parse(before.to_json().dump()));
  after.step(step_of(0, 10, 8, 2), true);
  EXPECT_EQ(after.finish(), "epoch 1/2  ELBO -1.00 nats (KL 1.25)");
  EpochLines later(kKinds, 2, nlohmann::ordered_json::parse(after.to_json().dump()));
  EXPECT_EQ(later.validation(validation_of(0, 7, true)),
            "epoch 1/2, step 1,200  validation ELBO 7.00 (best)");
}

TEST(EpochLines, FiguresWithoutMeaningAreLeftOut) {
  EpochLines lines(kKinds, 2, nullptr);
  StepReport report = step_of(0, 10, kNaN, kNaN);
  report.figures[kObjectiveFigure] = -1.5e8;
  lines.step(report, true);
  ValidationReport validation = validation_of(0, kNaN, true);
  validation.figures.log_likelihood = -2.5;
  EXPECT_EQ(lines.validation(validation),
            "epoch 1/2  objective -1.5e+08 nats  validation log p(x) -2.50 (best)");
  lines.step(step_of(1, 0, 0, 0), true);
  EXPECT_EQ(lines.finish(), "epoch 2/2  no step made an update");
}

// Also one that was declared after the checkpoint was made: there is no mean of it for that epoch.
TEST(EpochLines, AnotherFigureNeedsItsDeclarationAlone) {
  std::vector<FigureKind> kinds = kKinds;
  kinds.push_back({"entropy", "entropy of q", "nats", true});
  EpochLines lines(kinds, 2, nullptr);
  StepReport report = step_of(0, 10, 1, 2);
  report.figures.push_back(3);
  lines.step(report, true);
  EXPECT_EQ(lines.finish(), "epoch 1/2  ELBO 1.00 nats (KL 2.00, entropy of q 3.00)");
  EpochLines before(kKinds, 2, nullptr);
  before.step(step_of(0, 30, -4, 1), false);
  EpochLines after(kinds, 2, before.to_json());
  after.step(report, true);
  EXPECT_EQ(after.finish(), "epoch 1/2  ELBO -2.75 nats (KL 1.25)");
}

TEST(EpochLines, DamagedSumsAreRefused) {
  EXPECT_THROW(EpochLines(kKinds, 2, {{"count", "many"}}), CheckpointError);
}

}  // namespace
}  // namespace elbow
