#include "data/loader.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using Indices = std::vector<std::int64_t>;
using test::TemporaryFolder;
using testing::ElementsAre;
using testing::HasSubstr;

NextIndices from_list(std::vector<Indices> batches) {
  return [batches = std::move(batches), i = std::size_t{0}]() mutable -> std::optional<Indices> {
    if (i == batches.size()) return std::nullopt;
    return batches[i++];
  };
}

class LoaderTest : public testing::Test {
 protected:
  LoaderTest() {
    test::write_bytes(folder_ / "a.h5", "/x", {200, 2, 3}, {.chunk = {16, 2, 3}, .gzip = 1});
    std::vector<double> labels;
    for (int i = 0; i < 200; ++i) labels.insert(labels.end(), {i + 0.25, -i - 0.5});
    test::write_h5(folder_ / "a.h5", "/y", {200, 2}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE,
                   labels.data());
  }
  std::string spec(const char* path) const { return folder_ / "a.h5" + ":" + path; }

  TemporaryFolder folder_;
};

TEST_F(LoaderTest, DeliversWhatWasAskedForInOrder) {
  const DataSet images = DataSet::open({spec("/x")});
  const DataSet labels = DataSet::open({spec("/y")}, RowKind::kLabels);
  const std::vector<Indices> wanted{{3, 1, 199}, {}, {0}, {7, 7}, {5, 6, 8, 9}, {}};
  const std::vector<std::uint8_t> pattern = test::byte_pattern(200, 6);
  for (const int depth : {1, 2, 7}) {
    Loader loader(images, &labels, from_list(wanted), depth);
    for (const Indices& rows : wanted) {
      const Batch* batch = loader.next();
      ASSERT_NE(batch, nullptr);
      ASSERT_EQ(batch->indices, rows);
      EXPECT_THAT(batch->shape, ElementsAre(2, 3));
      EXPECT_EQ(batch->type, ValueType::kUint8);
      ASSERT_EQ(batch->values.size(), rows.size() * 6);
      ASSERT_EQ(batch->labels.size(), rows.size() * 2);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(std::memcmp(batch->values.data() + i * 6,
                              &pattern[static_cast<std::size_t>(rows[i]) * 6], 6),
                  0);
        EXPECT_EQ(batch->labels[2 * i], static_cast<double>(rows[i]) + 0.25);
        EXPECT_EQ(batch->labels[2 * i + 1], -static_cast<double>(rows[i]) - 0.5);
      }
      EXPECT_TRUE(batch->not_finite.empty());
    }
    EXPECT_EQ(loader.next(), nullptr);
    EXPECT_EQ(loader.next(), nullptr);
  }
}

TEST_F(LoaderTest, ReusesItsBatches) {
  int calls = 0;
  Loader loader(
      DataSet::open({spec("/x")}), nullptr,
      [&calls]() -> std::optional<Indices> {
        if (++calls > 100) return std::nullopt;
        return Indices{1, 2, 3};
      },
      3);
  std::vector<const std::byte*> seen;
  while (const Batch* batch = loader.next()) {
    EXPECT_TRUE(batch->labels.empty());
    const std::byte* values = batch->values.data();
    if (std::find(seen.begin(), seen.end(), values) == seen.end()) seen.push_back(values);
  }
  EXPECT_LE(seen.size(), 4U) << "three read ahead and the one delivered";
}

TEST_F(LoaderTest, ReadsAheadNoFurtherThanItsDepth) {
  std::atomic<int> calls{0};
  Loader loader(
      DataSet::open({spec("/x")}), nullptr,
      [&calls]() -> std::optional<Indices> {
        ++calls;
        return Indices{1};
      },
      2);
  ASSERT_NE(loader.next(), nullptr);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (loader.queued() < 2 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(loader.queued(), 2);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(calls.load(), 3);
}

TEST_F(LoaderTest, KeepsADeliveredBatchUntilTheNextCall) {
  Loader loader(DataSet::open({spec("/x")}), nullptr, from_list({{1}, {2}, {3}, {4}, {5}}), 1);
  for (std::int64_t i = 1; i <= 5; ++i) {
    const Batch* batch = loader.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_THAT(batch->indices, ElementsAre(i));
    EXPECT_EQ(batch->values[0], static_cast<std::byte>(31 * i));
  }
}

TEST_F(LoaderTest, ErrorsComeInPlaceOfTheBatch) {
  Loader loader(DataSet::open({spec("/x")}), nullptr, from_list({{1}, {2}, {200}, {3}}), 4);
  ASSERT_NE(loader.next(), nullptr);
  ASSERT_NE(loader.next(), nullptr);
  EXPECT_THAT(test::message_of<DataError>([&] { loader.next(); }), HasSubstr("no row 200"));
  EXPECT_THAT(test::message_of<DataError>([&] { loader.next(); }), HasSubstr("no row 200"));
}

TEST_F(LoaderTest, PassesOnErrorsOfTheCaller) {
  Loader loader(DataSet::open({spec("/x")}), nullptr,
                []() -> std::optional<Indices> { throw ConfigError("no order"); });
  EXPECT_THAT(test::message_of<ConfigError>([&] { loader.next(); }), HasSubstr("no order"));
}

TEST_F(LoaderTest, CanBeDestroyedAtAnyTime) {
  const DataSet images = DataSet::open({spec("/x")});
  for (int taken = 0; taken < 20; ++taken) {
    Loader loader(
        images, nullptr,
        [] {
          return std::optional<Indices>({1, 2, 3});
        },
        2);
    for (int i = 0; i < taken % 4; ++i) loader.next();
  }
  SUCCEED();
}

TEST_F(LoaderTest, MeasuresHowLongItKeptUsWaiting) {
  Loader loader(DataSet::open({spec("/x")}), nullptr, []() -> std::optional<Indices> {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return Indices{1};
  });
  EXPECT_EQ(loader.seconds_waited(), 0);
  loader.next();
  EXPECT_GT(loader.seconds_waited(), 0.02);
  EXPECT_LT(loader.seconds_waited(), 5);
}

TEST_F(LoaderTest, LabelsMustBeAsMany) {
  test::write_bytes(folder_ / "a.h5", "/few", {199});
  const DataSet images = DataSet::open({spec("/x")});
  const DataSet labels = DataSet::open({spec("/few")}, RowKind::kLabels);
  EXPECT_THAT(
      test::message_of<DataError>([&] { Loader(images, &labels, from_list({})); }),
      AllOf(HasSubstr(spec("/x")), HasSubstr("200"), HasSubstr(spec("/few")), HasSubstr("199")));
}

TEST(LoaderNotFinite, NamesTheRows) {
  const TemporaryFolder folder;
  std::vector<float> values(6 * 37, std::numeric_limits<float>::max());
  values[0] = std::numeric_limits<float>::denorm_min();
  values[1 * 37 + 36] = std::nanf("");
  values[4 * 37] = -std::numeric_limits<float>::infinity();
  test::write_h5(folder / "a.h5", "/x", {6, 37}, H5T_IEEE_F32BE, H5T_NATIVE_FLOAT, values.data());
  const std::vector<double> labels{0, 0, 0, 0, 0, std::nan("")};
  test::write_h5(folder / "a.h5", "/y", {6}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, labels.data());
  const DataSet images = DataSet::open({folder / "a.h5:/x"});
  const DataSet conditions = DataSet::open({folder / "a.h5:/y"}, RowKind::kLabels);

  Loader plain(images, nullptr, from_list({{5, 4, 3, 2, 1, 0}, {0, 2, 3, 5}}));
  EXPECT_THAT(plain.next()->not_finite, ElementsAre(1, 4));
  EXPECT_TRUE(plain.next()->not_finite.empty());

  Loader labelled(images, &conditions, from_list({{0, 1, 2, 3, 4, 5}}));
  EXPECT_THAT(labelled.next()->not_finite, ElementsAre(1, 4, 5));
}

}  // namespace
}  // namespace elbow
