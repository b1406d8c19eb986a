#include "monitoring/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace elbow {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class MetricsOptionsTest : public testing::Test {
 protected:
  MetricsOptionsTest() { declare(table, options); }

  void apply(const std::string& line) { table.apply_toml("[metrics]\n" + line, "c.toml"); }

  std::string refusal(const std::string& line) {
    try {
      apply(line);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "(accepted)";
  }

  MetricsOptions options;
  OptionTable table;
};

TEST_F(MetricsOptionsTest, EveryIsAnInterval) {
  EXPECT_EQ(options.every, "10 steps");
  apply("every = '30 s'");
  EXPECT_EQ(options.every, "30 s");
  EXPECT_THAT(refusal("every = '30 parsecs'"),
              AllOf(HasSubstr("metrics.every"), HasSubstr("10 min")));
}

TEST_F(MetricsOptionsTest, ServesThisMachineAtAFreePortUnlessTold) {
  EXPECT_TRUE(options.serve);
  EXPECT_EQ(options.address, "127.0.0.1");
  EXPECT_EQ(options.port, 0);
  EXPECT_EQ(options.discovery, "");
  apply("serve = false\naddress = '::'\nport = 65535\ndiscovery = '/var/lib/targets'");
  EXPECT_FALSE(options.serve);
  EXPECT_EQ(options.address, "::");
  EXPECT_EQ(options.port, 65535);
  EXPECT_EQ(options.discovery, "/var/lib/targets");
}

TEST_F(MetricsOptionsTest, RefusesWhatCannotBeMeant) {
  EXPECT_THAT(refusal("serve = 'perhaps'"), HasSubstr("metrics.serve"));
  EXPECT_THAT(
      refusal("address = 'localhost'"),
      AllOf(HasSubstr("metrics.address"), HasSubstr("'localhost'"), HasSubstr("127.0.0.1")));
  EXPECT_THAT(refusal("address = ''"), HasSubstr("metrics.address"));
  EXPECT_THAT(refusal("address = '127.0.0.1:9400'"), HasSubstr("metrics.address"));
  EXPECT_THAT(refusal("port = -1"), AllOf(HasSubstr("metrics.port"), HasSubstr("65535")));
  EXPECT_THAT(refusal("port = 65536"), HasSubstr("metrics.port"));
  EXPECT_THAT(refusal("port = 'http'"), HasSubstr("metrics.port"));
  EXPECT_THAT(refusal("port = 1.5"), HasSubstr("metrics.port"));
  EXPECT_THAT(refusal("discovery = \"a\\nb\""), HasSubstr("metrics.discovery"));
  EXPECT_THAT(refusal("discovery = 3"), HasSubstr("metrics.discovery"));
}

TEST_F(MetricsOptionsTest, MayChangeWhenARunGoesOn) {
  for (const auto& option : table.options()) EXPECT_TRUE(option.may_change) << option.key;
}

}  // namespace
}  // namespace elbow
