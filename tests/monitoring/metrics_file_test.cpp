#include "monitoring/metrics_file.h"

#include <bit>
#include <cmath>
#include <fstream>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/noise.h"
#include "base/text.h"
#include "tests/base/full_disk.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class Metrics : public testing::Test {
 protected:
  std::string text() const { return read_file(path, 1 << 24); }
  void put(const std::string& content) const { std::ofstream(path, std::ios::binary) << content; }

  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "metrics.jsonl";
};

TEST_F(Metrics, LinesKeepTheirOrder) {
  MetricsFile file(path);
  file.append({{"step", std::int64_t{10}}, {"elbo", -102.25}, {"a", 0.1}},
              {{"seconds", 1.5}, {"host", std::string("a \"b\"")}});
  file.append({{"step", std::int64_t{20}}}, {});
  EXPECT_EQ(text(),
            "{\"step\":10,\"elbo\":-102.25,\"a\":0.1,"
            "\"time\":{\"seconds\":1.5,\"host\":\"a \\\"b\\\"\"}}\n"
            "{\"step\":20,\"time\":{}}\n");
}

TEST_F(Metrics, DoublesReadBackAsTheSameBits) {
  std::vector<double> values = {0.0,     -0.0,
                                1.0 / 3, 0.1 + 0.2,
                                5e-324,  2.2250738585072014e-308,
                                1e16,    1e15,
                                1e22,    1e23,
                                -1e300,  1.7976931348623157e308,
                                1e-7,    123456789012345680.0};
  const Noise noise({.seed = 1});
  for (std::uint64_t i = 0; values.size() < 20000; ++i) {
    const auto words = noise.words(i, 0, 0);
    const auto value = std::bit_cast<double>(std::uint64_t{words[0]} << 32 | words[1]);
    if (std::isfinite(value)) values.push_back(value);
  }
  MetricsFile file(path);
  for (const double value : values) file.append({{"x", value}}, {});
  std::size_t i = 0;
  for (const auto& line : split(text(), '\n')) {
    if (line.empty()) continue;
    const auto read = nlohmann::json::parse(line).at("x").get<double>();
    ASSERT_EQ(std::bit_cast<std::uint64_t>(read), std::bit_cast<std::uint64_t>(values[i])) << line;
    ++i;
  }
  EXPECT_EQ(i, values.size());
}

TEST_F(Metrics, WhatIsNotFiniteIsNull) {
  MetricsFile file(path);
  file.append({{"a", std::nan("")}, {"b", std::numeric_limits<double>::infinity()}}, {});
  EXPECT_EQ(text(), "{\"a\":null,\"b\":null,\"time\":{}}\n");
}

TEST_F(Metrics, EachLineIsThereAtOnce) {
  MetricsFile file(path);
  for (std::int64_t step = 1; step <= 3; ++step) {
    file.append({{"step", step}}, {});
    EXPECT_EQ(split(text(), '\n').size(), static_cast<std::size_t>(step) + 1);
  }
}

TEST_F(Metrics, GoesOnAfterWholeLines) {
  put("{\"step\":1,\"time\":{}}\n");
  MetricsFile(path).append({{"step", std::int64_t{2}}}, {});
  EXPECT_EQ(text(), "{\"step\":1,\"time\":{}}\n{\"step\":2,\"time\":{}}\n");
}

TEST_F(Metrics, DropsAHalfWrittenLastLine) {
  for (const std::string& tail : std::vector<std::string>{
           "{\"step\":2,\"ti", "{\"step\":2,\"time\":{}}", std::string(3, '\0')}) {
    put("{\"step\":1,\"time\":{}}\n" + tail);
    MetricsFile(path).append({{"step", std::int64_t{2}}}, {});
    EXPECT_EQ(text(), "{\"step\":1,\"time\":{}}\n{\"step\":2,\"time\":{}}\n");
  }
  put("{\"st");
  const MetricsFile file(path);
  EXPECT_EQ(text(), "");
}

TEST_F(Metrics, DropsStepsThatWillBeDoneAgain) {
  put("{\"step\":10}\n{\"note\":1}\n{\"step\":20}\n{\"step\":30}\n{\"step\":40}\n{\"st");
  MetricsFile(path, MetricsCut{20, ""}).append({{"step", std::int64_t{30}}}, {});
  EXPECT_EQ(text(), "{\"step\":10}\n{\"note\":1}\n{\"step\":20}\n{\"step\":30,\"time\":{}}\n");
  MetricsFile(path, MetricsCut{0, ""});
  EXPECT_EQ(text(), "");
}

// A run that stopped before the validation of a step, went on, made it, and was killed: it will be
// made once more.
TEST_F(Metrics, DropsLinesOfTheLastStepThatHoldAKey) {
  put("{\"step\":10,\"validation\":1}\n{\"step\":20}\n{\"step\":20,\"validation\":2}\n");
  MetricsFile(path, MetricsCut{20, ""});
  EXPECT_EQ(text(),
            "{\"step\":10,\"validation\":1}\n{\"step\":20}\n{\"step\":20,\"validation\":2}\n");
  MetricsFile(path, MetricsCut{20, "validation"});
  EXPECT_EQ(text(), "{\"step\":10,\"validation\":1}\n{\"step\":20}\n");
}

TEST_F(Metrics, WhatAFullDiskKeptBackIsWrittenLater) {
  put("{\"step\":1,\"time\":{}}\n");
  const std::string before = text();
  MetricsFile file(path);
  {
    const FullDisk full(before.size() + 10);
    try {
      file.append({{"step", std::int64_t{2}}, {"elbo", -1.0}}, {});
      FAIL() << "wrote to a full disk";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr("cannot write"), HasSubstr(path.string())));
    }
    EXPECT_NO_THROW(file.append({{"step", std::int64_t{3}}}, {}));  // said once
    EXPECT_THROW(file.flush(), Error);
    EXPECT_THAT(text(), StartsWith(before));
  }
  EXPECT_NO_THROW(file.append({{"step", std::int64_t{4}}}, {}));
  EXPECT_NO_THROW(file.flush());
  EXPECT_EQ(text(), before +
                        "{\"step\":2,\"elbo\":-1.0,\"time\":{}}\n{\"step\":3,\"time\":{}}\n"
                        "{\"step\":4,\"time\":{}}\n");
  // A disk that is full once more is said once more.
  const FullDisk full(text().size());
  EXPECT_THROW(file.append({{"step", std::int64_t{5}}}, {}), Error);
}

TEST_F(Metrics, FileThatCannotBeOpenedIsNamed) {
  const auto inside = folder / "none" / "metrics.jsonl";
  try {
    const MetricsFile file(inside);
    FAIL();
  } catch (const CheckpointError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("cannot write"), HasSubstr(inside.string())));
  }
}

}  // namespace
}  // namespace elbow
