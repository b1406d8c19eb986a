#include "trainer/model/stored_rows.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using test::TemporaryFolder;

class StoredRowsTest : public testing::Test {
 protected:
  // Rows of 16 values; `value` of a number that runs evenly through [0, 1).
  template <typename Value>
  DataSet floats(const std::string& name, const Value& value, hsize_t rows = 200) {
    std::vector<float> values(rows * 16);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(value(std::fmod(static_cast<double>(i) * 0.618034, 1.0)));
    }
    test::write_h5(file_of(name), name, {rows, 4, 4}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT,
                   values.data());
    return DataSet::open({file_of(name) + ":" + name});
  }

  DataSet bytes(const std::string& name, int levels) {
    std::vector<std::uint8_t> values(200 * 16);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<std::uint8_t>(i * 7 % static_cast<std::size_t>(levels));
    }
    test::write_h5(file_of(name), name, {200, 4, 4}, H5T_STD_U8LE, H5T_NATIVE_UINT8, values.data());
    return DataSet::open({file_of(name) + ":" + name});
  }

  static StoredRows rows_of(const DataSet& data) {
    return stored_rows(data, data.size(), [](std::int64_t i) { return i; });
  }

  static std::string verdict(const DataSet& data, const StoredRows& trained) {
    try {
      require_same_scale(data, trained, Mismatch::kStop);
      return "";
    } catch (const DataError& error) {
      return error.what();
    }
  }

  static void expect_refused(const DataSet& data, const DataSet& trained) {
    const std::string message = verdict(data, rows_of(trained));
    EXPECT_NE(message.find("--data.mismatch warn"), std::string::npos) << data.name() << message;
    require_same_scale(data, rows_of(trained), Mismatch::kWarn);  // the remedy
  }

  // One for each data set: what is open must not change.
  std::string file_of(const std::string& name) const { return folder_ / (name.substr(1) + ".h5"); }

  TemporaryFolder folder_;
};

TEST_F(StoredRowsTest, KnowRangeAndWhite) {
  const StoredRows grey = rows_of(bytes("/grey", 256));
  EXPECT_EQ(grey.white, 255);
  EXPECT_EQ(grey.range->low, 0);
  EXPECT_EQ(grey.range->high, 255);
  EXPECT_EQ(rows_of(bytes("/binary", 2)).white, 1);
  // A few values far away don't widen the range, nor does what is no number.
  const DataSet odd = floats("/odd", [](double u) {
    if (u < 0.0002) return 1e9;
    return u > 0.5 && u < 0.501 ? std::numeric_limits<double>::quiet_NaN() : u;
  });
  EXPECT_NEAR(rows_of(odd).range->low, 0, 0.01);
  EXPECT_NEAR(rows_of(odd).range->high, 1, 0.01);
}

TEST_F(StoredRowsTest, ReadFewOfManyRows) {
  const DataSet data = floats(
      "/many", [](double u) { return u; }, 5000);
  std::int64_t asked = 0;
  std::int64_t last = -1;
  const auto values = some_values(data, data.size(), [&](std::int64_t i) {
    EXPECT_GT(i, last);
    last = i;
    ++asked;
    return i;
  });
  EXPECT_EQ(asked, 1024);
  EXPECT_EQ(last, 4999);
  EXPECT_EQ(values.size(), 1024U * 16);
}

TEST_F(StoredRowsTest, OtherLevelsAreRefused) {
  const DataSet grey = bytes("/grey", 256);
  const DataSet binary = bytes("/binary", 2);
  const DataSet four_bits = bytes("/four_bits", 15);
  expect_refused(binary, grey);
  expect_refused(grey, binary);
  expect_refused(four_bits, grey);
  EXPECT_EQ(verdict(grey, rows_of(grey)), "");
  EXPECT_EQ(verdict(binary, rows_of(binary)), "");
  // A model whose range was not kept knows at least that.
  StoredRows old = rows_of(grey);
  old.range.reset();
  EXPECT_NE(verdict(binary, old), "");
  EXPECT_EQ(verdict(four_bits, old), "");
}

TEST_F(StoredRowsTest, OtherScalesAreRefused) {
  const DataSet unit = floats("/unit", [](double u) { return u; });
  const DataSet bytes = floats("/bytes", [](double u) { return 255 * u; });
  const DataSet ink = floats("/ink", [](double u) { return u < 0.5 ? -1 : 2 * u - 1; });
  const DataSet shifted = floats("/shifted", [](double u) { return 273.15 + u; });
  expect_refused(bytes, unit);
  expect_refused(unit, bytes);
  expect_refused(ink, unit);
  expect_refused(shifted, unit);
}

// One value alone has no range, and a few rows not much of one; both may lie where nothing did.
TEST_F(StoredRowsTest, ValuesThatLieElsewhereAreRefusedHoweverFew) {
  const DataSet trained = floats("/real", [](double u) { return 4 * u - 1; });
  expect_refused(floats("/constant", [](double) { return 1e8; }), trained);
  expect_refused(floats(
                     "/row", [](double u) { return 255 * u; }, 2),
                 trained);
  EXPECT_EQ(verdict(floats("/black", [](double) { return 0.0; }), rows_of(trained)), "");
  EXPECT_EQ(verdict(floats(
                        "/bright", [](double u) { return 2.5 + u; }, 2),
                    rows_of(trained)),
            "");
}

TEST_F(StoredRowsTest, PartsOfTheSameDataAreNot) {
  const DataSet unit = floats("/unit", [](double u) { return u; });
  EXPECT_EQ(verdict(floats("/half", [](double u) { return u / 2; }), rows_of(unit)), "");
  EXPECT_EQ(verdict(floats("/wider", [](double u) { return 1.5 * u; }), rows_of(unit)), "");
  EXPECT_EQ(verdict(floats(
                        "/few", [](double u) { return 10 * u; }, 3),
                    rows_of(unit)),
            "");
  const DataSet black = floats("/black", [](double) { return 0.0; });
  EXPECT_EQ(verdict(black, rows_of(unit)), "");
  EXPECT_EQ(verdict(unit, rows_of(black)), "");
}

}  // namespace
}  // namespace elbow
