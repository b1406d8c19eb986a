#include "data/inspect.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/child_process.h"
#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using test::TemporaryFolder;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

InspectOptions quick() {
  InspectOptions options;
  options.seconds = 0.05;
  return options;
}

TEST(Inspect, ListsAllNumericDataSetsAndTheirDetails) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/train/images", {500, 8, 8});
  test::write_bytes(folder / "a.h5", "/train/labels", {500});
  const std::vector<float> values = test::float_pattern(300, 6);
  test::write_h5(folder / "a.h5", "/deep/er/field", {300, 2, 3}, H5T_IEEE_F32BE, H5T_NATIVE_FLOAT,
                 values.data(), {.chunk = {100, 2, 3}, .gzip = 4, .shuffle = true});
  const std::string report = inspect(folder / "a.h5", quick());
  EXPECT_THAT(
      report,
      AllOf(HasSubstr("3 numeric data sets"), HasSubstr("/train/images"),
            HasSubstr("/train/labels"), HasSubstr("[500, 8, 8]"), HasSubstr("float32 big-endian"),
            HasSubstr("chunked [100, 2, 3], shuffle, gzip 4"), HasSubstr("rows/s")));
  EXPECT_THAT(report, Not(HasSubstr("HOSTILE")));
  const std::string one = inspect(folder / "a.h5:/deep/er/field", quick());
  EXPECT_THAT(one, AllOf(HasSubstr("float32 big-endian"), Not(HasSubstr("/train/images"))));
}

TEST(Inspect, SummarisesAllValuesOrSaysHowMany) {
  const TemporaryFolder folder;
  std::vector<float> values(1000 * 3, 0.5F);
  values[3 * 999] = 7.25F;
  values[3 * 3] = -2;
  values[3 * 17 + 1] = std::nanf("");
  values[3 * 17 + 2] = std::nanf("");
  values[3 * 400] = std::numeric_limits<float>::infinity();
  test::write_h5(folder / "a.h5", "/x", {1000, 3}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values.data());
  const PartInfo part = describe_part(folder / "a.h5", "/x");
  const ValueSummary all = summarise_values(part, quick());
  EXPECT_EQ(all.rows, 1000);
  EXPECT_EQ(all.lowest, -2);
  EXPECT_EQ(all.highest, 7.25);
  EXPECT_EQ(all.nans, 2);
  EXPECT_EQ(all.infinities, 1);
  EXPECT_EQ(all.first_bad_row, 17);
  EXPECT_THAT(inspect(folder / "a.h5:/x", quick()),
              AllOf(HasSubstr("-2 to 7.25 (all 1,000 rows)"),
                    HasSubstr("2 NaN, 1 infinite; the first in row 17")));

  InspectOptions few = quick();
  few.value_rows = 100;
  EXPECT_EQ(summarise_values(part, few).rows, 100);
  EXPECT_THAT(inspect(folder / "a.h5:/x", few), HasSubstr("in 100 of 1,000 rows"));
}

TEST(Inspect, MeasuresWholeWindows) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {4000, 10}, {.chunk = {100, 10}, .gzip = 1});
  test::write_bytes(folder / "a.h5", "/flat", {4000, 10});
  InspectOptions options;
  options.window = 1000;
  const ReadingSpeed chunked = measure_reading(describe_part(folder / "a.h5", "/x"), options);
  EXPECT_TRUE(chunked.windowed);
  EXPECT_TRUE(chunked.whole_window);
  EXPECT_GE(chunked.rows, 1000);
  EXPECT_GT(chunked.rows_per_second, 0);
  const ReadingSpeed flat = measure_reading(describe_part(folder / "a.h5", "/flat"), options);
  EXPECT_FALSE(flat.windowed);
  EXPECT_EQ(flat.rows, 4000);
}

LayoutVerdict verdict(const TemporaryFolder& folder, const char* path,
                      const std::vector<hsize_t>& shape, const std::vector<hsize_t>& chunk,
                      const InspectOptions& options = {}) {
  test::write_bytes(folder / "a.h5", path, shape, {.chunk = chunk, .gzip = chunk.empty() ? 0 : 1});
  return judge_layout(describe_part(folder / "a.h5", path), options);
}

TEST(Verdict, GoodLayoutsAreLeftAlone) {
  const TemporaryFolder folder;
  EXPECT_THAT(verdict(folder, "/flat", {1000, 8, 8}, {}).problems, IsEmpty());
  EXPECT_THAT(verdict(folder, "/chunks", {1000, 8, 8}, {128, 8, 8}).problems, IsEmpty());
  EXPECT_THAT(verdict(folder, "/single", {1000, 8, 8}, {1, 8, 8}).problems, IsEmpty());
}

TEST(Verdict, HostileOnesAreNamedWithARemedy) {
  const TemporaryFolder folder;
  const LayoutVerdict huge = verdict(folder, "/huge", {20000, 2, 2}, {20000, 2, 2});
  ASSERT_THAT(huge.problems, SizeIs(1));
  EXPECT_THAT(huge.problems[0], AllOf(HasSubstr("20,000 rows"), HasSubstr("8,192")));
  EXPECT_THAT(huge.remedy, AllOf(HasSubstr("h5repack -l /huge:CONTI -f /huge:NONE"),
                                 HasSubstr(folder / "a.h5")));

  const LayoutVerdict cut = verdict(folder, "/cut", {1000, 8, 8}, {100, 4, 5});
  ASSERT_THAT(cut.problems, SizeIs(1));
  EXPECT_THAT(cut.problems[0], HasSubstr("into 4 pieces"));

  InspectOptions small;
  small.cache.bytes = 100000;
  const LayoutVerdict memory = verdict(folder, "/memory", {10000, 8, 8}, {128, 8, 8}, small);
  ASSERT_THAT(memory.problems, SizeIs(1));
  EXPECT_THAT(memory.problems[0], HasSubstr("many times over"));

  EXPECT_THAT(inspect(folder / "a.h5:/huge", quick()),
              AllOf(HasSubstr("HOSTILE LAYOUT"), HasSubstr("h5repack")));
}

// Rows of 4 MiB, a few kilobytes of zeros in the file: not 64 of them at a time as doubles (2 GiB).
TEST(Inspect, LargeRowsNeedLittleMemory) {
  const TemporaryFolder folder;
  const std::vector<std::uint8_t> zeros(std::size_t{64} << 22);
  test::write_h5(folder / "a.h5", "/x", {64, 1 << 22}, H5T_STD_U8LE, H5T_NATIVE_UINT8, zeros.data(),
                 {.chunk = {1, 1 << 22}, .gzip = 1});
  InspectOptions options = quick();
  options.cache.bytes = 1 << 20;
  ChildLimits limits;
  limits.memory = std::int64_t{384} << 20;
  const ChildEnd end = run_in_child([&] { inspect(folder / "a.h5:/x", options); }, limits);
  EXPECT_EQ(end.error, "");
  EXPECT_EQ(end.death, "");
}

TEST(Inspect, BadInputsAreErrors) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {10, 2});
  EXPECT_THAT(test::message_of<DataError>([&] { inspect(folder / "none.h5"); }),
              HasSubstr("no such file"));
  EXPECT_THAT(test::message_of<DataError>([&] { inspect(folder / "a.h5:/y"); }),
              HasSubstr("no data set /y"));
}

TEST(Inspect, WhatIsWrongWithOneDataSetIsSaidInItsPlace) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {10, 2});
  test::write_h5(folder / "a.h5", "/none", {0, 3}, H5T_STD_U8LE, H5T_NATIVE_UINT8, nullptr);
  EXPECT_THAT(inspect(folder / "a.h5", quick()),
              AllOf(HasSubstr("/none"), HasSubstr("is empty"), HasSubstr("all 10 rows")));
}

}  // namespace
}  // namespace elbow
