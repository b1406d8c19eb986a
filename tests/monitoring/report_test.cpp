// What a report makes of what it read.
#include "monitoring/report/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "monitoring/report/code_summary.h"
#include "monitoring/report/page.h"
#include "monitoring/report/thinned_rows.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

using Json = nlohmann::ordered_json;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double value_at(int row) { return std::sin(0.01 * row) * 1000 + row % 7; }

// Whatever the number of rows, the points' means, least and greatest values are those of the rows
// that they stand for.
TEST(ThinnedRows, AgreeWithBruteForce) {
  for (const int rows : {1, 599, 600, 601, 1200, 1201, 100003}) {
    ThinnedRows thinned({"value", "none"});
    for (int i = 0; i < rows; ++i) {
      thinned.add({1.0 * i, 32.0 * i, 0.1 * i}, std::array{value_at(i), kNaN});
    }
    const Json json = thinned.to_json();
    const int each = json["rows_per_point"];
    const Json& field = json["fields"]["value"];
    ASSERT_LE(field["mean"].size(), ThinnedRows::kMostPoints);
    ASSERT_EQ(field["mean"].size(), static_cast<std::size_t>((rows + each - 1) / each));
    EXPECT_EQ(json["rows"], rows);
    EXPECT_EQ(json["step"].back(), rows - 1);
    EXPECT_EQ(json["fields"].size(), 1u);
    for (std::size_t p = 0; p < field["mean"].size(); ++p) {
      double sum = 0;
      double low = std::numeric_limits<double>::infinity();
      double high = -low;
      const int first = static_cast<int>(p) * each;
      const int end = std::min(first + each, rows);
      for (int i = first; i < end; ++i) {
        sum += value_at(i);
        low = std::min(low, value_at(i));
        high = std::max(high, value_at(i));
      }
      ASSERT_NEAR(field["mean"][p].get<double>(), sum / (end - first), 1e-3);
      if (each == 1) continue;
      ASSERT_NEAR(field["low"][p].get<double>(), low, 1e-3);
      ASSERT_NEAR(field["high"][p].get<double>(), high, 1e-3);
    }
  }
}

TEST(ThinnedRows, GapsStayGaps) {
  ThinnedRows thinned({"value"});
  for (const double value : {1.0, kNaN, 3.0}) thinned.add({}, std::array{value});
  EXPECT_EQ(thinned.to_json()["fields"]["value"]["mean"], Json({1, nullptr, 3}));
}

// KL(N(m, s^2), N(0, 1)) = (m^2 + s^2 - 1)/2 - ln s of known m and s.
TEST(CodeSummary, KlOfEachUnit) {
  CodeSummary summary(4, 2);
  summary.add(std::array{1.0, 0.0, -1.0, 0.0}, std::array{0.5, 1.0, 0.5, 1.0});
  summary.add(std::array{3.0, 0.0, kNaN, 0.0}, std::array{0.5, 1.0, 0.5, 1.0});
  const Json json = summary.to_json();
  EXPECT_EQ(json["count"], 3);
  EXPECT_EQ(json["left_out"], 1);
  const double common = 0.5 * (0.25 - 1) + std::numbers::ln2;
  EXPECT_NEAR(json["kl"][0].get<double>(), (0.5 + 0.5 + 4.5) / 3 + common, 1e-6);
  EXPECT_EQ(json["kl"][1], 0);
  EXPECT_NEAR(json["variance"][0].get<double>(), 8.0 / 3, 1e-6);  // of 1, -1, 3
  EXPECT_EQ(json["variance"][1], 0);
}

TEST(CodeSummary, WithoutDeviationsNoKl) {
  CodeSummary summary(2, 1);
  summary.add(std::array{1.0, 2.0}, {});
  const Json json = summary.to_json();
  EXPECT_TRUE(json["kl"].is_null());
  EXPECT_NEAR(json["variance"][0].get<double>(), 0.25, 1e-9);
  EXPECT_FALSE(json.contains("points"));
  EXPECT_EQ(CodeSummary(0, 3).to_json()["count"], 0);
}

// Points of a plane in seven dimensions, far from the origin: their distances in the picture are
// those in the plane, and no variance is left over.
TEST(CodeSummary, PlaneOfPrincipalComponents) {
  const std::array<double, 7> u = {0.5, 0.5, 0.5, 0.5, 0, 0, 0};
  const std::array<double, 7> v = {0, 0, 0, 0, 0.6, 0, -0.8};
  std::vector<double> rows;
  std::vector<std::array<double, 2>> plane;
  for (int i = 0; i < 200; ++i) {
    plane.push_back({3 * std::cos(0.37 * i), std::sin(1.13 * i)});
    for (std::size_t d = 0; d < 7; ++d)
      rows.push_back(100 + plane.back()[0] * u[d] + plane.back()[1] * v[d]);
  }
  CodeSummary summary(200, 7);
  summary.add(rows, {});
  const Json json = summary.to_json();
  EXPECT_NEAR(json["shares"][0].get<double>() + json["shares"][1].get<double>(), 1, 1e-6);
  EXPECT_GT(json["shares"][0].get<double>(), 0.8);
  ASSERT_EQ(json["points"].size(), 200u);
  for (std::size_t i = 1; i < 200; ++i) {
    const auto at = [&](std::size_t k, std::size_t d) {
      return json["points"][k][d].get<double>();
    };
    EXPECT_NEAR(std::hypot(at(i, 0) - at(0, 0), at(i, 1) - at(0, 1)),
                std::hypot(plane[i][0] - plane[0][0], plane[i][1] - plane[0][1]), 1e-4);
  }
}

TEST(CodeSummary, ClassesOfThePoints) {
  const std::array<double, 8> rows = {0, 1, 1, 0, kNaN, 1, 2, 2};
  const auto summary_with = [&](const std::vector<double>& labels) {
    CodeSummary summary(4, 2);
    summary.add(rows, {}, labels);
    return summary.to_json();
  };
  const Json json = summary_with({7, -2, 3, 7});
  EXPECT_EQ(json["classes"], Json({-2.0, 7.0}));  // 3 is that of a code that was left out
  EXPECT_EQ(json["class_of_point"], Json({1, 0, 1}));
  EXPECT_FALSE(summary_with({}).contains("classes"));
  EXPECT_FALSE(summary_with({7, 0.5, 3, 7}).contains("classes"));
  EXPECT_FALSE(summary_with({7, kNaN, 3, 7}).contains("classes"));
  CodeSummary many(17, 2);
  for (int i = 0; i < 17; ++i) many.add(std::array{1.0 * i, 0.0}, {}, std::array{1.0 * i});
  EXPECT_FALSE(many.to_json().contains("classes"));
}

TEST(CodeSummary, PictureOfManyIsBounded) {
  CodeSummary summary(100000, 2);
  for (int i = 0; i < 100000; ++i) summary.add(std::array{1.0 * i, -1.0 * i}, {});
  EXPECT_EQ(summary.to_json()["points"].size(), 1493u);  // every 67th
}

// What a page holds as its document.
Json document_in(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const std::size_t first = page.find(begin) + begin.size();
  return Json::parse(page.substr(first, page.find("</script>", first) - first));
}

TEST(Page, TextsCannotLeaveTheirElement) {
  const std::string hostile = "</script><script>alert(1)</script><!--<script>\xe2\x80\xa8{{nonce}}";
  const Json document = {{hostile, hostile}};
  const std::string page = page_of(document);
  EXPECT_EQ(document_in(page), document);
  EXPECT_THAT(page, Not(HasSubstr("alert(1)</script>")));
  EXPECT_THAT(page, Not(HasSubstr("<!--")));
  // Bytes that are no UTF-8 are replaced.
  EXPECT_EQ(document_in(page_of({{"a", "x\xffy"}}))["a"], "x\xef\xbf\xbdy");
}

TEST(Page, OnlyItsOwnScriptMayRun) {
  const auto nonce_of = [](const std::string& page) {
    const std::size_t at = page.find("script-src 'nonce-");
    return page.substr(at + 18, 32);
  };
  const std::string page = page_of(Json::object());
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("<script nonce=\"" + nonce_of(page) + "\">"));
  EXPECT_NE(nonce_of(page), nonce_of(page_of(Json::object())));
  EXPECT_THAT(page, Not(HasSubstr("{{")));
}

ReportedRun run_in(const std::filesystem::path& root) {
  return {root,
          root / "run.json",
          root / "metrics.jsonl",
          root / "log.jsonl",
          root / "samples",
          root / "checkpoints",
          {},
          nullptr,
          {"what the caller could not read"}};
}

TEST(Report, SaysWhatIsMissing) {
  const TemporaryFolder folder;
  const Report report = make_report({run_in(folder.path())});
  EXPECT_THAT(report.problems, Contains("what the caller could not read"));
  EXPECT_THAT(report.problems, Contains(HasSubstr("run.json is not there")));
  EXPECT_THAT(report.problems, Contains(HasSubstr("metrics.jsonl is not there")));
  EXPECT_THAT(report.problems, Contains(HasSubstr("elbow evaluate")));
  EXPECT_THAT(report.problems, Contains(HasSubstr("elbow sample")));
  const Json run = document_in(report.html)["runs"][0];
  EXPECT_EQ(run["problems"].size(), report.problems.size());
  EXPECT_EQ(run["name"], folder.path().filename().string());
}

TEST(Report, DamageIsNamedAndTheRestShown) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "run.json", "{");
  write_file_atomically(folder / "evaluation.json", "{\"elbo\": -1.5}");
  write_file_atomically(folder / "evaluation-training.json", "no JSON");
  write_file_atomically(folder / "metrics.jsonl", "{\"step\":1,\"elbo\":-2}\nno JSON\n");
  std::filesystem::create_directories(folder / "checkpoints/step-00000003");
  const Report report = make_report({run_in(folder.path()), run_in(folder.path())});
  EXPECT_THAT(report.problems, Contains(HasSubstr("run.json is damaged")));
  EXPECT_THAT(report.problems, Contains(HasSubstr("evaluation-training.json is damaged")));
  EXPECT_THAT(report.problems, Contains(HasSubstr("metrics.jsonl: 1 line left out")));
  const Json runs = document_in(report.html)["runs"];
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[1]["evaluations"][0]["figures"]["elbo"], -1.5);
  EXPECT_EQ(runs[1]["curves"]["training"]["fields"]["elbo"]["mean"], Json({-2}));
  EXPECT_EQ(runs[1]["checkpoints"], Json({"step-00000003"}));
}

TEST(Report, OfSomeRuns) {
  EXPECT_THROW(make_report({}), ConfigError);
  EXPECT_THROW(make_report(std::vector<ReportedRun>(17)), ConfigError);
}

}  // namespace
}  // namespace elbow
