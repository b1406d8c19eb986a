// What a report reads, which may be a stranger's.
#include "monitoring/report/report_input.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "monitoring/image.h"
#include "monitoring/metrics_file.h"
#include "monitoring/report/log_excerpt.h"
#include "monitoring/report/pictures.h"
#include "monitoring/report/training_curves.h"
#include "tests/base/message_of.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

using test::message_of;

using testing::ElementsAre;
using testing::HasSubstr;

using Json = nlohmann::ordered_json;

std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']');
}

TEST(ReportInput, RefusesWhatCouldHarm) {
  const TemporaryFolder folder;
  const auto file = folder / "run.json";
  const auto refusal = [&] { return message_of([&] { read_json_file(file, 1000); }); };
  EXPECT_THAT(refusal(), HasSubstr("run.json is not there"));
  std::filesystem::create_symlink("/etc/passwd", file);
  EXPECT_THAT(refusal(), HasSubstr("a link"));
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr("not a regular file"));
  EXPECT_THAT(message_of([&] { training_curves(file); }), HasSubstr("not a regular file"));
  EXPECT_THAT(message_of([&] { log_excerpt(file); }), HasSubstr("not a regular file"));
}

TEST(ReportInput, CutsWhatIsLong) {
  Json list = Json::array();
  for (int i = 0; i < 1000; ++i) list.push_back(i);
  const Json cut = clipped(Json{{"list", list}, {"text", std::string(100000, 'x')}});
  EXPECT_EQ(cut["list"].size(), 200u);
  EXPECT_EQ(cut["list"].back(), 999);
  EXPECT_EQ(cut["text"].get<std::string>().size(), 2003u);
}

TEST(ReportInput, LinesOfAnyLength) {
  const TemporaryFolder folder;
  const auto file = folder / "lines.jsonl";
  // Around the length at which the file is read piece by piece, and that of the longest line.
  const std::string padding(40000, 'x');
  std::string text;
  for (int i = 0; i < 60; ++i) text += fmt::format("{{\"i\":{},\"p\":\"{}\"}}\n", i, padding);
  text += "{\"i\":60,\"p\":\"" + std::string(200000, 'x') + "\"}\n";
  text += "no JSON\n[1]\n\n{\"i\":61}\n{\"i\":" + nested(100) + "}\n{\"i\":62}\n{\"i\":6";
  write_file_atomically(file, text);
  std::vector<int> seen;
  EXPECT_EQ(for_each_json_line(file, [&](const Json& line) { seen.push_back(line["i"]); }), 5);
  ASSERT_EQ(seen.size(), 62u);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
  EXPECT_EQ(seen[60], 61);
  EXPECT_EQ(seen[61], 62);
}

MetricsFields training_line(int step, double elbo) {
  return {{"step", std::int64_t{step}},
          {"samples", std::int64_t{step * 32}},
          {"stage", std::int64_t{0}},
          {"elbo", elbo},
          {"kl", 2.0},
          {"learning_rate", 0.001}};
}

// As the program writes it: two sessions, whose seconds each begin at 0.
TEST(TrainingCurves, OfTwoSessions) {
  const TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  for (const int session : {0, 1}) {
    MetricsFile file(path);
    for (int i = 1; i <= 3; ++i) {
      const int step = 3 * session + i;
      file.append(
          training_line(step, -10.0 + step),
          {{"seconds", 2.0 * i}, {"ranks", std::int64_t{session + 1}}, {"data_seconds", 0.5}});
    }
    file.append({{"step", std::int64_t{3 * session + 3}},
                 {"samples", std::int64_t{96 * (session + 1)}},
                 {"epoch", std::int64_t{1}},
                 {"validation_elbo", -5.0 - session},
                 {"validation_log_likelihood", std::numeric_limits<double>::quiet_NaN()},
                 {"best", std::int64_t{session == 0}}},
                {{"seconds", 6.5}});
  }
  const Json curves = training_curves(path);
  const Json& training = curves["training"];
  EXPECT_EQ(training["step"], Json({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(training["seconds"], Json({2, 4, 6, 8.5, 10.5, 12.5}));
  EXPECT_EQ(training["fields"]["elbo"]["mean"], Json({-9, -8, -7, -6, -5, -4}));
  EXPECT_EQ(training["fields"]["ranks"]["mean"], Json({1, 1, 1, 2, 2, 2}));
  EXPECT_FALSE(training["fields"].contains("reconstruction"));
  EXPECT_EQ(curves["validation"]["fields"]["validation_elbo"]["mean"], Json({-5, -6}));
  EXPECT_FALSE(curves["validation"]["fields"].contains("validation_log_likelihood"));
  EXPECT_EQ(curves["best"]["step"], 3);
  EXPECT_EQ(curves["best"]["validation_elbo"], -5);
  EXPECT_EQ(curves["phases"]["data"], 3);
  ASSERT_EQ(curves["sessions"].size(), 1u);
  EXPECT_EQ(curves["sessions"][0]["step"], 3);
  EXPECT_EQ(curves["last"]["seconds"], 13);
}

TEST(TrainingCurves, FiguresOfAModelsOwnAreThere) {
  const TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  {
    MetricsFile file(path);
    for (int step = 1; step <= 2; ++step) {
      MetricsFields line = training_line(step, -1.0);
      line.emplace_back("entropy", 2.0 * step);
      line.emplace_back("remark", "none");
      line.emplace_back(std::string(65, 'x'), 1.0);
      file.append(line, {{"seconds", 1.0}});
    }
  }
  const Json fields = training_curves(path)["training"]["fields"];
  EXPECT_EQ(fields["entropy"]["mean"], Json({2, 4}));
  EXPECT_EQ(fields["elbo"]["mean"], Json({-1, -1}));
  for (const char* none : {"step", "epoch", "skipped_steps", "remark"}) {
    EXPECT_FALSE(fields.contains(none)) << none;
  }
  EXPECT_FALSE(fields.contains(std::string(65, 'x')));
}

TEST(TrainingCurves, SurviveEveryKindOfLine) {
  const TemporaryFolder folder;
  const auto path = folder / "metrics.jsonl";
  write_file_atomically(
      path,
      "{\"step\":\"</script>\",\"elbo\":[1],\"time\":7}\n{}\n"
      "{\"step\":1e300,\"samples\":null,\"elbo\":1e308}\n"
      "{\"step\":2,\"elbo\":1e999}\n{\"validation_elbo\":{},\"best\":1}\n\xff\xfe\n");
  const Json curves = training_curves(path);
  EXPECT_EQ(curves["lines_refused"], 2);
  EXPECT_EQ(curves["training"]["rows"], 3);
  EXPECT_EQ(curves["validation"]["rows"], 1);
  EXPECT_THAT(curves.dump(), testing::Not(HasSubstr("script")));
  write_file_atomically(path, "");
  EXPECT_EQ(training_curves(path)["training"]["rows"], 0);
}

TEST(LogExcerpt, KeepsWarningsLongest) {
  const TemporaryFolder folder;
  const auto path = folder / "log.jsonl";
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    const char* level = i == 5 ? "error" : i == 2900 ? "warning" : "info";
    text += fmt::format("{{\"time\":\"t\",\"level\":\"{}\",\"rank\":1,\"message\":\"line {}\"}}\n",
                        level, i);
  }
  write_file_atomically(path, text);
  const Json excerpt = log_excerpt(path);
  EXPECT_EQ(excerpt["warnings"], 1);
  EXPECT_EQ(excerpt["errors"], 1);
  ASSERT_EQ(excerpt["lines"].size(), 202u);
  EXPECT_EQ(excerpt["lines"][0]["message"], "line 5");
  EXPECT_EQ(excerpt["lines"][1]["message"], "line 2799");
  EXPECT_EQ(excerpt["lines"].back()["message"], "line 2999");
}

std::string from_base64(const std::string& text) {
  static const std::string digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  int held = 0;
  for (char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<unsigned>(digits.find(c));
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes += static_cast<char>(bits >> held & 255);
  }
  return bytes;
}

TEST(Pictures, AreEmbeddedWhole) {
  const TemporaryFolder folder;
  for (const int width : {1, 2, 3, 4, 5, 40}) {
    write_png(folder / fmt::format("{}.png", width),
              {width, 1, 1, std::vector<std::uint8_t>(static_cast<std::size_t>(width), 77)});
  }
  PictureBudget budget;
  std::vector<std::string> left_out;
  const Json pictures = embedded_pictures(folder.path(), budget, left_out);
  EXPECT_TRUE(left_out.empty());
  ASSERT_EQ(pictures.size(), 6u);
  const std::string head = "data:image/png;base64,";
  for (const Json& picture : pictures) {
    const auto uri = picture["uri"].get<std::string>();
    const auto file = folder / (picture["name"].get<std::string>() + ".png");
    ASSERT_EQ(uri.substr(0, head.size()), head);
    EXPECT_EQ(uri.size() % 4, head.size() % 4);
    EXPECT_EQ(from_base64(uri.substr(head.size())), read_file(file, 1 << 20));
    EXPECT_EQ(picture["name"], std::to_string(picture["width"].get<int>()));
  }
}

TEST(Pictures, OthersAreLeftOutByName) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "markup.png", "<svg onload=alert(1)>");
  write_file_atomically(folder / "huge.png", std::string((4 << 20) + 1, 'x'));
  std::filesystem::create_symlink("/etc/passwd", folder / "link.png");
  write_png(folder / "one.png", {1, 1, 1, {0}});
  write_png(folder / "two.png", {1, 1, 1, {0}});
  PictureBudget budget{100};  // one takes some 70
  std::vector<std::string> left_out;
  EXPECT_EQ(embedded_pictures(folder.path(), budget, left_out).size(), 1u);
  EXPECT_THAT(left_out, ElementsAre(HasSubstr("huge.png"), HasSubstr("link.png"),
                                    HasSubstr("markup.png"), HasSubstr("two.png")));
  for (int i = 0; i < 30; ++i) write_png(folder / fmt::format("a{:02}.png", i), {1, 1, 1, {0}});
  budget = {};
  left_out.clear();
  EXPECT_EQ(embedded_pictures(folder.path(), budget, left_out).size(), 24u);
  EXPECT_THAT(left_out, ElementsAre(HasSubstr("of 35 pictures the first 24 are shown")));
  EXPECT_TRUE(embedded_pictures(folder / "none", budget, left_out).empty());
}

}  // namespace
}  // namespace elbow
