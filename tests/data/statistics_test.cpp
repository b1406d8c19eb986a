#include "data/statistics.h"

#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "data/split.h"
#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using test::TemporaryFolder;

// The textbook's two passes, in long double.
void expect_two_pass(const VariableStatistics& statistics, const std::vector<float>& values,
                     std::size_t width, const std::vector<std::size_t>& rows, double tolerance) {
  ASSERT_EQ(statistics.mean.size(), width);
  ASSERT_EQ(statistics.count, std::ssize(rows));
  for (std::size_t v = 0; v < width; ++v) {
    long double sum = 0;
    for (const std::size_t row : rows) sum += values[row * width + v];
    const long double mean = sum / static_cast<long double>(rows.size());
    long double squares = 0;
    for (const std::size_t row : rows) {
      const long double difference = values[row * width + v] - mean;
      squares += difference * difference;
    }
    const auto deviation =
        static_cast<double>(std::sqrt(squares / static_cast<long double>(rows.size())));
    EXPECT_NEAR(statistics.mean[v], static_cast<double>(mean),
                tolerance * (1 + std::abs(static_cast<double>(mean))));
    EXPECT_NEAR(statistics.deviation[v], deviation, tolerance * deviation);
  }
}

TEST(Statistics, MatchTwoPassesOverTheTrainingRows) {
  const TemporaryFolder folder;
  constexpr std::size_t kRows = 5000;
  constexpr std::size_t kWidth = 3;
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (std::size_t row = 0; row < kRows; ++row) {
    // The second variable is far from zero: the naive formula loses all its digits.
    values.insert(values.end(), {normal(engine), 1.0e6F + normal(engine), 1e-6F * normal(engine)});
  }
  test::write_h5(folder / "a.h5", "/x", {kRows, kWidth}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT,
                 values.data());
  const DataSet data = DataSet::open({folder / "a.h5:/x"});
  const Split split(3, kRows, 777);
  std::vector<std::size_t> rows;
  for (std::int64_t i = 0; i < split.training_count(); ++i) {
    rows.push_back(static_cast<std::size_t>(split.training(i)));
  }
  const VariableStatistics statistics = compute_statistics(
      data, split.training_count(), [&split](std::int64_t i) { return split.training(i); });
  expect_two_pass(statistics, values, kWidth, rows, 1e-9);
}

TEST(Statistics, OfBytes) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {3000, 4, 5}, {.chunk = {100, 4, 5}, .gzip = 1});
  const auto bytes = test::byte_pattern(3000, 20);
  const std::vector<float> values(bytes.begin(), bytes.end());
  std::vector<std::size_t> rows(3000);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  const VariableStatistics statistics = compute_statistics(DataSet::open({folder / "a.h5:/x"}),
                                                           3000, [](std::int64_t i) { return i; });
  expect_two_pass(statistics, values, 20, rows, 1e-12);
}

TEST(Statistics, LeaveOutRowsThatAreNotFinite) {
  const TemporaryFolder folder;
  const float nan = std::nanf("");
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values{1, 10, nan, 20, 3, 30, 4, -infinity, 5, 60};
  test::write_h5(folder / "a.h5", "/x", {5, 2}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values.data());
  const VariableStatistics statistics =
      compute_statistics(DataSet::open({folder / "a.h5:/x"}), 5, [](std::int64_t i) { return i; });
  expect_two_pass(statistics, values, 2, {0, 2, 4}, 1e-14);
}

TEST(Statistics, OfNothingAreRefused) {
  const TemporaryFolder folder;
  const float nan = std::nanf("");
  const std::vector<float> values{1, nan, 2, nan, 3, nan};
  test::write_h5(folder / "a.h5", "/x", {3, 2}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values.data());
  const std::string message = test::message_of<DataError>([&] {
    compute_statistics(DataSet::open({folder / "a.h5:/x"}), 3, [](std::int64_t i) { return i; });
  });
  EXPECT_NE(message.find("each of the 3 samples"), std::string::npos) << message;
}

TEST(Statistics, VariablesThatNeverVaryHaveDeviationOne) {
  const TemporaryFolder folder;
  std::vector<float> values;
  for (int row = 0; row < 3000; ++row) values.insert(values.end(), {0.1F, static_cast<float>(row)});
  test::write_h5(folder / "a.h5", "/x", {3000, 2}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values.data());
  const VariableStatistics statistics = compute_statistics(DataSet::open({folder / "a.h5:/x"}),
                                                           3000, [](std::int64_t i) { return i; });
  EXPECT_EQ(statistics.deviation[0], 1.0);
  EXPECT_EQ(statistics.mean[0], static_cast<double>(0.1F));
  // Of 0 ... n-1: sqrt((n^2 - 1) / 12).
  EXPECT_NEAR(statistics.deviation[1], std::sqrt((3000.0 * 3000.0 - 1) / 12), 1e-9);
}

}  // namespace
}  // namespace elbow
