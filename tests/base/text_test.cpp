#include "base/text.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace elbow {
namespace {

using Texts = std::vector<std::string>;

TEST(Nearest, FindsMisspellings) {
  const Texts words = {"training.batch", "training.epochs", "model.kind", "seed"};
  EXPECT_EQ(nearest("trainig.batch", words), "training.batch");
  EXPECT_EQ(nearest("training.batch_size", words), "training.batch");
  EXPECT_EQ(nearest("training.epcohs", words), "training.epochs");
  EXPECT_EQ(nearest("Seed", words), "seed");
  EXPECT_EQ(nearest("sede", words), "seed");
}

TEST(Nearest, NothingForAnotherWord) {
  EXPECT_EQ(nearest("gan", Texts{"vae", "lord"}), "");
  EXPECT_EQ(nearest("", Texts{"vae"}), "");
  EXPECT_EQ(nearest("vae", Texts{}), "");
}

TEST(Nearest, TheNearestOfSeveral) {
  EXPECT_EQ(nearest("widht", Texts{"weight", "width", "widths"}), "width");
}

TEST(Suggestion, OneOrAll) {
  const Texts words = {"gaussian", "bernoulli"};
  EXPECT_EQ(suggestion("gausian", words), "did you mean 'gaussian'?");
  EXPECT_EQ(suggestion("poisson", words), "valid are: gaussian, bernoulli");
}

TEST(Text, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a,b,,c", ','), (Texts{"a", "b", "", "c"}));
  EXPECT_EQ(split("", ','), Texts{""});
  EXPECT_EQ(split("a,", ','), (Texts{"a", ""}));
}

TEST(Text, Join) {
  EXPECT_EQ(join(Texts{"a", "b"}, ", "), "a, b");
  EXPECT_EQ(join(Texts{}, ", "), "");
}

TEST(Text, Shape) {
  EXPECT_EQ(shape_text(std::vector<std::int64_t>{60000, 28, 28}), "[60000, 28, 28]");
  EXPECT_EQ(shape_text({}), "[]");
}

TEST(Text, Bytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(3.0 * (1 << 30)), "3.0 GiB");
  EXPECT_EQ(human_bytes(std::ldexp(5.0, 50)), "5120.0 TiB");
}

TEST(Text, Duration) {
  EXPECT_EQ(human_duration(4.23), "4.2 s");
  EXPECT_EQ(human_duration(9.96), "10 s");
  EXPECT_EQ(human_duration(59.7), "1 min 00 s");
  EXPECT_EQ(human_duration(200), "3 min 20 s");
  EXPECT_EQ(human_duration(7500), "2 h 05 min");
  EXPECT_EQ(human_duration(3600 * 50), "50 h 00 min");
  EXPECT_EQ(human_duration(-1), "?");
  EXPECT_EQ(human_duration(1e300), "?");
  EXPECT_EQ(human_duration(std::nan("")), "?");
}

TEST(Text, Count) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1000003), "1,000,003");
  EXPECT_EQ(human_count(-123456), "-123,456");
  EXPECT_EQ(human_count(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(ParseNumber, WholeIntegersOnly) {
  std::int64_t value = 7;
  for (const char* bad : {"", "+", "-", "+-5", "--5", "5.0", "1e3", " 5", "5 ", "0x10", "five",
                          "9223372036854775808"}) {
    EXPECT_FALSE(parse_number(bad, value)) << bad;
    EXPECT_EQ(value, 7) << bad;
  }
  EXPECT_TRUE(parse_number("+12", value));
  EXPECT_EQ(value, 12);
  EXPECT_TRUE(parse_number("-9223372036854775808", value));
  EXPECT_EQ(value, std::numeric_limits<std::int64_t>::min());
}

TEST(ParseNumber, WholeRealsOnly) {
  double value = 7;
  for (const char* bad : {"", "+-1", "1.5x", "1,5", "1e999", "0x1p3", "1.5 "}) {
    EXPECT_FALSE(parse_number(bad, value)) << bad;
  }
  EXPECT_TRUE(parse_number("1e-3", value));
  EXPECT_EQ(value, 1e-3);
  EXPECT_TRUE(parse_number("+.5", value));
  EXPECT_EQ(value, 0.5);
}

}  // namespace
}  // namespace elbow
