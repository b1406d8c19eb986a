#include "monitoring/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace elbow {
namespace {

TEST(MetricsOptions, EveryIsAnInterval) {
  MetricsOptions options;
  OptionTable table;
  declare(table, options);
  EXPECT_EQ(options.every, "10 steps");
  table.apply_toml("[metrics]\nevery = \"30 s\"", "c.toml");
  EXPECT_EQ(options.every, "30 s");
  try {
    table.apply_toml("[metrics]\nevery = \"30 parsecs\"", "c.toml");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(),
                testing::AllOf(testing::HasSubstr("metrics.every"), testing::HasSubstr("10 min")));
  }
}

TEST(MetricsOptions, MayChangeWhenARunGoesOn) {
  MetricsOptions options;
  OptionTable table;
  declare(table, options);
  EXPECT_TRUE(table.find("metrics.every")->may_change);
}

}  // namespace
}  // namespace elbow
