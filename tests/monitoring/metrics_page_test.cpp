#include <cstdlib>
#include <fstream>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "monitoring/metrics_server.h"
#include "tests/base/temporary_folder.h"
#include "tests/monitoring/scrape.h"

namespace elbow {
namespace {

using std::chrono::steady_clock;
using test::full_snapshot;
using test::identity;
using test::lines_of;
using test::scrape;
using testing::AllOf;
using testing::Contains;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(MetricsPage, GivesNamesValuesAndLabels) {
  MetricsServer server("127.0.0.1", 0, identity());
  server.update(full_snapshot());
  const std::string answer = test::http_get(server.address());
  EXPECT_THAT(answer, AllOf(StartsWith("HTTP/1.1 200 OK"), HasSubstr("text/plain")));
  const std::string page = test::body(answer);
  const std::string common = "run=\"first\",rank=\"1\"";
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"elbow_rank", "1"},
      {"elbow_world_size", "4"},
      {"elbow_step", "1234"},
      {"elbow_planned_steps", "5000"},
      {"elbow_epoch", "5"},
      {"elbow_steps_total", "1134"},
      {"elbow_samples_total", "290304"},
      {"elbow_epochs_total", "3"},
      {"elbow_skipped_steps_total", "2"},
      {"elbow_skipped_samples_total", "512"},
      {"elbow_elbo_nats", "-102.25"},
      {"elbow_validation_elbo_nats", "-104.5"},
      {"elbow_learning_rate", "0.001"},
      {"elbow_gradient_norm", "3.5"},
      {"elbow_queue_batches", "4"},
      {"elbow_checkpoint_size_bytes", "7654321"},
      {"elbow_checkpoint_failures_total", "1"}};
  for (const auto& [metric, value] : expected) {
    EXPECT_THAT(lines_of(page, metric), testing::ElementsAre(metric + "{" + common + "} " + value));
    const std::string type = metric.ends_with("_total") ? "counter" : "gauge";
    EXPECT_THAT(page, HasSubstr("# TYPE " + metric + " " + type + "\n"));
    EXPECT_THAT(page, HasSubstr("# HELP " + metric + " "));
  }
  EXPECT_THAT(
      lines_of(page, "elbow_term_nats"),
      testing::ElementsAre("elbow_term_nats{" + common + ",term=\"reconstruction\"} -77.125",
                           "elbow_term_nats{" + common + ",term=\"kl\"} 25.125"));
  EXPECT_THAT(lines_of(page, "elbow_build_info"),
              testing::ElementsAre("elbow_build_info{" + common + ",version=\"0.2.0\"} 1"));
  EXPECT_THAT(
      lines_of(page, "elbow_run_info"),
      testing::ElementsAre("elbow_run_info{" + common + ",model=\"vae\",data=\"fashion.h5\"} 1"));
}

TEST(MetricsPage, GivesTheSecondsOfEachPhase) {
  MetricsServer server("127.0.0.1", 0, identity());
  MetricsSnapshot snapshot;
  snapshot.seconds(Phase::kData) = 1.0;
  snapshot.seconds(Phase::kForward) = 2.0;
  snapshot.seconds(Phase::kBackward) = 3.0;
  snapshot.seconds(Phase::kSum) = 4.0;
  snapshot.seconds(Phase::kOptimizer) = 5.0;
  snapshot.seconds(Phase::kCheckpoint) = 6.0;
  snapshot.seconds(Phase::kEvaluation) = 7.0;
  server.update(snapshot);
  std::vector<std::string> expected;
  for (const char* line : {"data\"} 1", "forward\"} 2", "backward\"} 3", "sum\"} 4",
                           "optimizer\"} 5", "checkpoint\"} 6", "evaluation\"} 7"}) {
    expected.push_back(std::string("elbow_phase_seconds_total{run=\"first\",rank=\"1\",phase=\"") +
                       line);
  }
  EXPECT_EQ(lines_of(scrape(server), "elbow_phase_seconds_total"), expected);
}

TEST(MetricsPage, SaysHowRanksWaitEvenWhileAStepStandsStill) {
  MetricsServer server("127.0.0.1", 0, identity());
  EXPECT_THAT(scrape(server), Not(HasSubstr("collective")));
  WaitFigures waits{12.5, {}};
  server.tell_waits([&] { return waits; });
  const std::string labels = "{run=\"first\",rank=\"1\"";
  EXPECT_THAT(scrape(server),
              AllOf(HasSubstr("# TYPE elbow_collective_seconds_total counter\n"),
                    HasSubstr("elbow_collective_seconds_total" + labels + "} 12.5\n"),
                    Not(HasSubstr("straggler"))));
  waits.stragglers = {{2, 3, 45.5}};
  EXPECT_THAT(scrape(server),
              AllOf(HasSubstr("elbow_stragglers_total" + labels + ",straggler=\"2\"} 3\n"),
                    HasSubstr("elbow_straggler_seconds" + labels + ",straggler=\"2\"} 45.5\n")));
}

TEST(MetricsPage, AgeOfACheckpointGrowsBetweenSnapshots) {
  MetricsServer server("127.0.0.1", 0, identity());
  MetricsSnapshot snapshot = full_snapshot();
  auto age = [&] {
    const auto lines = lines_of(scrape(server), "elbow_checkpoint_age_seconds");
    return lines.empty() ? -1.0 : std::stod(lines.at(0).substr(lines.at(0).rfind(' ')));
  };
  server.update(snapshot);
  const double first = age();
  EXPECT_GE(first, 600.0);
  EXPECT_LT(first, 660.0);
  EXPECT_GT(age(), first);
  snapshot.checkpoint_time = steady_clock::now() + std::chrono::hours(1);
  server.update(snapshot);
  EXPECT_EQ(age(), 0.0);
  snapshot.checkpoint_time.reset();
  server.update(snapshot);
  EXPECT_EQ(age(), -1.0);
}

TEST(MetricsPage, WhatIsNotKnownIsLeftOut) {
  MetricsServer server("127.0.0.1", 0, identity());
  EXPECT_THAT(scrape(server), AllOf(HasSubstr("elbow_run_info{"), HasSubstr("elbow_rank{"),
                                    Not(HasSubstr("elbow_step")), Not(HasSubstr("nats"))));
  server.update({});
  const std::string page = scrape(server);
  EXPECT_THAT(page, HasSubstr("elbow_steps_total{run=\"first\",rank=\"1\"} 0\n"));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("nats")), Not(HasSubstr("gradient")),
                          Not(HasSubstr("checkpoint_age")), Not(HasSubstr("checkpoint_size"))));
}

TEST(MetricsPage, LatestSnapshotIsServed) {
  MetricsServer server("127.0.0.1", 0, identity());
  MetricsSnapshot snapshot;
  for (const std::int64_t step : {1, 2, 3}) {
    snapshot.position.step = step;
    server.update(snapshot);
    EXPECT_THAT(scrape(server),
                HasSubstr("elbow_step{run=\"first\",rank=\"1\"} " + std::to_string(step) + "\n"));
  }
}

TEST(MetricsPage, LargeCountsAreExactAndDivergenceIsSeen) {
  MetricsServer server("127.0.0.1", 0, identity());
  MetricsSnapshot snapshot;
  snapshot.position.samples = 1234567890123;
  snapshot.elbo = std::numeric_limits<double>::quiet_NaN();
  snapshot.gradient_norm = std::numeric_limits<double>::infinity();
  server.update(snapshot);
  const std::string page = scrape(server);
  EXPECT_THAT(page, HasSubstr("elbow_samples_total{run=\"first\",rank=\"1\"} 1234567890123\n"));
  EXPECT_THAT(lines_of(page, "elbow_elbo_nats"), Contains(ContainsRegex("\\} [Nn]a[Nn]$")));
  EXPECT_THAT(lines_of(page, "elbow_gradient_norm"), Contains(ContainsRegex("\\} \\+Inf$")));
}

MetricsIdentity hostile_identity() {
  MetricsIdentity hostile{"a\"b\\c\nd\xFF" + std::string(1000, 'x'), 0, 1, {}, {}};
  hostile.build = {{"rank", "7"}, {"__name__", "x"}, {"9", "nine"},
                   {"a-b", "1"},  {"a_b", "2"},      {"", "none"}};
  for (int i = 0; i < 1000; ++i) {
    hostile.about_run.emplace_back("label" + std::to_string(i), std::string(1000, '\xFF'));
  }
  return hostile;
}

TEST(MetricsPage, AnyTextBecomesALabel) {
  MetricsServer server("127.0.0.1", 0, hostile_identity());
  const std::string page = scrape(server);
  EXPECT_THAT(page, HasSubstr("run=\"a\\\"b\\\\c d\xEF\xBF\xBDxxx"));
  EXPECT_THAT(
      lines_of(page, "elbow_build_info"),
      testing::ElementsAre(AllOf(HasSubstr("rank=\"0\""), Not(HasSubstr("rank=\"7\"")),
                                 HasSubstr(",name__=\"x\",_9=\"nine\",a_b=\"1\",_=\"none\"}"))));
  EXPECT_LT(page.size(), 20000u);
}

// promtool is Prometheus' own reader of such pages.
void expect_promtool_content(const std::string& page) {
  const TemporaryFolder folder;
  std::ofstream(folder / "page", std::ios::binary) << page;
  const std::string command = "promtool check metrics <" + (folder / "page").string() + " >" +
                              (folder / "said").string() + " 2>&1";
  const int status = std::system(command.c_str());
  std::string said;
  std::getline(std::ifstream(folder / "said"), said, '\0');
  EXPECT_EQ(status, 0) << said;
  EXPECT_THAT(said, Not(HasSubstr("elbow_")));
}

TEST(MetricsPage, PromtoolIsContent) {
  for (const auto& who : {identity(), hostile_identity()}) {
    MetricsServer server("127.0.0.1", 0, who);
    expect_promtool_content(scrape(server));
    server.update(full_snapshot());
    expect_promtool_content(scrape(server));
  }
}

}  // namespace
}  // namespace elbow
