#include "data/data_set.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <numeric>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using test::Storage;
using test::TemporaryFolder;

std::vector<std::int64_t> first_rows(std::int64_t count) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(count));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

std::vector<std::uint8_t> read_bytes(const DataSet& data, const std::vector<std::int64_t>& rows) {
  std::vector<std::uint8_t> values(rows.size() * static_cast<std::size_t>(data.row_bytes()));
  data.read(rows, reinterpret_cast<std::byte*>(values.data()));
  return values;
}

std::vector<float> read_floats(const DataSet& data, const std::vector<std::int64_t>& rows) {
  EXPECT_EQ(data.type(), ValueType::kFloat32);
  std::vector<float> values(rows.size() * static_cast<std::size_t>(data.row_elements()));
  data.read(rows, reinterpret_cast<std::byte*>(values.data()));
  return values;
}

// Reads everything forwards, backwards, shuffled with repetitions and row by row, and compares each
// with the rows of `expected`.
template <typename Value, typename Read>
void expect_rows(const DataSet& data, const std::vector<Value>& expected, Read read) {
  const auto width = static_cast<std::size_t>(data.row_elements());
  ASSERT_EQ(static_cast<std::size_t>(data.size()) * width, expected.size());
  std::vector<std::vector<std::int64_t>> orders{first_rows(data.size())};
  orders.emplace_back(orders[0].rbegin(), orders[0].rend());
  orders.push_back(orders[0]);
  std::mt19937 engine(7);
  std::shuffle(orders[2].begin(), orders[2].end(), engine);
  orders[2].push_back(orders[2].front());
  orders.push_back({data.size() - 1});
  orders.push_back({});
  for (const auto& rows : orders) {
    std::vector<Value> wanted;
    for (const std::int64_t row : rows) {
      const auto start = expected.begin() + row * static_cast<std::ptrdiff_t>(width);
      wanted.insert(wanted.end(), start, start + static_cast<std::ptrdiff_t>(width));
    }
    ASSERT_EQ(read(data, rows), wanted);
  }
}

struct Layout {
  std::string name;
  std::vector<hsize_t> shape;
  Storage storage;
  bool chunked;
};

void PrintTo(const Layout& layout, std::ostream* out) { *out << layout.name; }

class Layouts : public testing::TestWithParam<Layout> {};

TEST_P(Layouts, BytesReadBackValueForValue) {
  const Layout& layout = GetParam();
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/train/images", layout.shape, layout.storage);
  const DataSet data = DataSet::open({folder / "a.h5:/train/images"}, RowKind::kLabels);
  EXPECT_EQ(data.type(), ValueType::kUint8);
  EXPECT_EQ(data.chunked(), layout.chunked);
  EXPECT_THAT(data.row_shape(),
              testing::ElementsAreArray(layout.shape.begin() + 1, layout.shape.end()));
  expect_rows(data, test::byte_pattern(data.size(), data.row_elements()), read_bytes);
}

TEST_P(Layouts, BigEndianDoublesReadBackValueForValue) {
  const Layout& layout = GetParam();
  const TemporaryFolder folder;
  std::int64_t elements = 1;
  for (const hsize_t extent : layout.shape) elements *= static_cast<std::int64_t>(extent);
  const std::vector<float> values = test::float_pattern(1, elements);
  test::write_h5(folder / "a.h5", "/x", layout.shape, H5T_IEEE_F64BE, H5T_NATIVE_FLOAT,
                 values.data(), layout.storage);
  const DataSet data = DataSet::open({folder / "a.h5:/x"}, RowKind::kLabels);
  expect_rows(data, values, read_floats);
}

INSTANTIATE_TEST_SUITE_P(
    All, Layouts,
    testing::Values(Layout{"contiguous", {100, 28, 28}, {}, false},
                    Layout{"user_block", {100, 28, 28}, {.user_block = 512}, false},
                    Layout{"one_row", {1, 5}, {}, false}, Layout{"vectors", {300, 17}, {}, false},
                    Layout{"labels", {300}, {}, false}, Layout{"nhwc", {50, 8, 9, 3}, {}, false},
                    Layout{"nchw", {50, 3, 8, 9}, {.chunk = {16, 3, 8, 9}}, true},
                    Layout{"chunked", {100, 6, 7}, {.chunk = {32, 6, 7}}, true},
                    Layout{"chunks_cut_rows", {100, 6, 7}, {.chunk = {30, 4, 5}, .gzip = 1}, true},
                    Layout{"one_chunk", {100, 6, 7}, {.chunk = {100, 6, 7}, .gzip = 9}, true},
                    Layout{"row_chunks", {100, 6, 7}, {.chunk = {1, 6, 7}, .gzip = 4}, true},
                    Layout{"gzip_shuffle",
                           {100, 6, 7},
                           {.chunk = {33, 6, 7}, .gzip = 4, .shuffle = true},
                           true},
                    Layout{"fletcher32",
                           {100, 6, 7},
                           {.chunk = {32, 6, 7},
                            .gzip = 4,
                            .shuffle = true,
                            .fletcher32 = true,
                            .latest_format = true},
                           true},
                    Layout{"chunked_behind_user_block",
                           {100, 6, 7},
                           {.chunk = {32, 6, 7}, .gzip = 2, .user_block = 1024},
                           true},
                    Layout{"chunked_labels", {1000}, {.chunk = {64}, .gzip = 4}, true},
                    Layout{"compact", {20, 3, 3}, {.compact = true}, true}),
    [](const auto& info) { return info.param.name; });

struct Type {
  std::string name;
  hid_t stored;
  bool half;
};

void PrintTo(const Type& type, std::ostream* out) { *out << type.name; }

class FloatTypes : public testing::TestWithParam<Type> {};

TEST_P(FloatTypes, AreDeliveredAsFloat) {
  const Type& type = GetParam();
  const TemporaryFolder folder;
  const std::vector<float> values = test::float_pattern(60, 15);
  const hid_t stored = type.half ? test::make_half_type(type.name == "half_little") : type.stored;
  test::write_h5(folder / "a.h5", "/contiguous", {60, 3, 5}, stored, H5T_NATIVE_FLOAT,
                 values.data());
  test::write_h5(folder / "a.h5", "/chunked", {60, 3, 5}, stored, H5T_NATIVE_FLOAT, values.data(),
                 {.chunk = {25, 3, 5}, .gzip = 1, .shuffle = true});
  if (type.half) H5Tclose(stored);
  for (const char* path : {"a.h5:/contiguous", "a.h5:/chunked"}) {
    const DataSet data = DataSet::open({folder / path});
    expect_rows(data, values, read_floats);
  }
}

INSTANTIATE_TEST_SUITE_P(All, FloatTypes,
                         testing::Values(Type{"single_little", H5T_IEEE_F32LE, false},
                                         Type{"single_big", H5T_IEEE_F32BE, false},
                                         Type{"double_little", H5T_IEEE_F64LE, false},
                                         Type{"double_big", H5T_IEEE_F64BE, false},
                                         Type{"half_little", 0, true}, Type{"half_big", 0, true}),
                         [](const auto& info) { return info.param.name; });

TEST(DataSetTypes, AllHalvesMatchTheLibrarysOwnConversion) {
  const TemporaryFolder folder;
  std::vector<std::uint16_t> bits(65536);
  std::iota(bits.begin(), bits.end(), std::uint16_t{0});
  const hid_t half = test::make_half_type(true);
  test::write_h5(folder / "a.h5", "/x", {256, 256}, half, half, bits.data());
  std::vector<float> wanted(bits.size());
  {
    const auto held = hdf5::lock();
    std::vector<std::byte> buffer(bits.size() * sizeof(float));
    std::memcpy(buffer.data(), bits.data(), bits.size() * sizeof(bits[0]));
    ASSERT_GE(H5Tconvert(half, H5T_NATIVE_FLOAT, bits.size(), buffer.data(), nullptr, H5P_DEFAULT),
              0);
    std::memcpy(wanted.data(), buffer.data(), buffer.size());
    H5Tclose(half);
  }
  const std::vector<float> got = read_floats(DataSet::open({folder / "a.h5:/x"}), first_rows(256));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (std::isnan(wanted[i])) {
      ASSERT_TRUE(std::isnan(got[i])) << i;
    } else {
      ASSERT_EQ(std::signbit(got[i]), std::signbit(wanted[i])) << i;
      ASSERT_EQ(got[i], wanted[i]) << i;
    }
  }
}

TEST(DataSetTypes, IntegersBecomeFloatsAndLabelsExactDoubles) {
  const TemporaryFolder folder;
  const std::vector<std::int64_t> values{-3, 0, 7, 9007199254740991, -9007199254740991, 12};
  test::write_h5(folder / "a.h5", "/little", {6}, H5T_STD_I64LE, H5T_NATIVE_INT64, values.data());
  test::write_h5(folder / "a.h5", "/big", {3, 2}, H5T_STD_I64BE, H5T_NATIVE_INT64, values.data());
  const std::vector<std::int64_t> small{-128, 127, 5, -1, 100, 0};
  test::write_h5(folder / "a.h5", "/bytes", {3, 2}, H5T_STD_I8LE, H5T_NATIVE_INT64, small.data());
  test::write_h5(folder / "a.h5", "/shorts", {3, 2}, H5T_STD_I16BE, H5T_NATIVE_INT64, small.data());

  std::vector<double> out(6);
  DataSet::open({folder / "a.h5:/little"}, RowKind::kLabels).read(first_rows(6), out);
  EXPECT_THAT(out, testing::ElementsAre(-3, 0, 7, 9007199254740991.0, -9007199254740991.0, 12));
  DataSet::open({folder / "a.h5:/big"}, RowKind::kLabels).read(first_rows(3), out);
  EXPECT_THAT(out, testing::ElementsAre(-3, 0, 7, 9007199254740991.0, -9007199254740991.0, 12));
  EXPECT_THAT(read_floats(DataSet::open({folder / "a.h5:/bytes"}), first_rows(3)),
              testing::ElementsAre(-128, 127, 5, -1, 100, 0));
  EXPECT_THAT(read_floats(DataSet::open({folder / "a.h5:/shorts"}), first_rows(3)),
              testing::ElementsAre(-128, 127, 5, -1, 100, 0));
}

TEST(DataSetTypes, PackedIntegersGoThroughTheLibrary) {
  const TemporaryFolder folder;
  hid_t packed = H5I_INVALID_HID;
  {
    const auto held = hdf5::lock();
    packed = H5Tcopy(H5T_STD_U16LE);
    H5Tset_precision(packed, 12);
    H5Tset_offset(packed, 4);
  }
  const std::vector<std::int32_t> values{0, 1, 4095, 77};
  test::write_h5(folder / "a.h5", "/x", {2, 2}, packed, H5T_NATIVE_INT32, values.data());
  H5Tclose(packed);
  const DataSet data = DataSet::open({folder / "a.h5:/x"});
  EXPECT_THAT(read_floats(data, first_rows(2)), testing::ElementsAre(0, 1, 4095, 77));
}

TEST(DataSetTypes, NotFiniteValuesAreDeliveredAsTheyAre) {
  const TemporaryFolder folder;
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values{1, std::nanf(""), -infinity, 4};
  test::write_h5(folder / "a.h5", "/x", {2, 2}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values.data());
  const std::vector<float> got = read_floats(DataSet::open({folder / "a.h5:/x"}), {1, 0});
  EXPECT_EQ(got[0], -infinity);
  EXPECT_TRUE(std::isnan(got[3]));
}

TEST(DataSetTypes, ValuesNeverWrittenAreTheFillValue) {
  const TemporaryFolder folder;
  test::write_h5(folder / "a.h5", "/x", {3000, 5}, H5T_STD_U8LE, H5T_NATIVE_UINT8, nullptr);
  const DataSet data = DataSet::open({folder / "a.h5:/x"});
  EXPECT_EQ(read_bytes(data, {0, 2999}), std::vector<std::uint8_t>(10, 0));
}

// Half of the rows come from one file, half from another.
TEST(DataSetTypes, VirtualDataSetsAreReadButNotWithoutTheirSources) {
  const TemporaryFolder folder;
  const std::vector<std::uint8_t> all = test::byte_pattern(20, 6);
  test::write_h5(folder / "0.h5", "/x", {10, 6}, H5T_STD_U8LE, H5T_NATIVE_UINT8, all.data());
  test::write_h5(folder / "1.h5", "/x", {10, 6}, H5T_STD_U8LE, H5T_NATIVE_UINT8, all.data() + 60);
  {
    const auto held = hdf5::lock();
    const std::vector<hsize_t> shape{20, 6};
    const std::vector<hsize_t> half{10, 6};
    const hid_t space = H5Screate_simple(2, shape.data(), nullptr);
    const hid_t source = H5Screate_simple(2, half.data(), nullptr);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    for (const hsize_t first : {0, 10}) {
      const std::vector<hsize_t> start{first, 0};
      H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, half.data(), nullptr);
      ASSERT_GE(H5Pset_virtual(creation, space, first == 0 ? "0.h5" : "1.h5", "/x", source), 0);
    }
    H5Sselect_all(space);
    const hid_t file = H5Fcreate((folder / "v.h5").c_str(), H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t data_set =
        H5Dcreate2(file, "/x", H5T_STD_U8LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    ASSERT_GE(data_set, 0);
    H5Dclose(data_set);
    H5Pclose(creation);
    H5Sclose(source);
    H5Sclose(space);
    H5Fclose(file);
  }
  expect_rows(DataSet::open({folder / "v.h5:/x"}), all, read_bytes);
  std::filesystem::remove(folder / "1.h5");
  EXPECT_THAT(test::message_of<DataError>([&] { DataSet::open({folder / "v.h5:/x"}); }),
              testing::AllOf(testing::HasSubstr("1.h5"), testing::HasSubstr("does not exist")));
}

// Seven parts, contiguous and chunked by turns, against one array.
TEST(DataSetParts, AreOneDataSetSortedAsText) {
  const TemporaryFolder folder;
  const std::vector<hsize_t> rows{10, 1, 300, 7, 64, 65, 2};
  const std::vector<std::uint8_t> all = test::byte_pattern(449, 12);
  hsize_t first = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Storage storage;
    if (i % 2 == 1) storage = {.chunk = {std::min<hsize_t>(rows[i], 16), 3, 4}, .gzip = 3};
    test::write_h5(folder / ("part-" + std::to_string(i) + ".h5"), "/images", {rows[i], 3, 4},
                   H5T_STD_U8LE, H5T_NATIVE_UINT8, all.data() + first * 12, storage);
    first += rows[i];
  }
  const DataSet data = DataSet::open({folder / "part-*.h5:/images"});
  ASSERT_EQ(data.size(), 449);
  EXPECT_TRUE(data.chunked());
  EXPECT_EQ(data.layout()[3].first, 311);
  EXPECT_EQ(data.layout()[3].chunk_rows, 7);
  EXPECT_EQ(data.layout()[2].chunk_rows, 1);
  EXPECT_THAT(data.row_name(310), testing::HasSubstr("row 299 of " + folder / "part-2.h5:/images"));
  expect_rows(data, all, read_bytes);

  const DataSet turned =
      DataSet::open({folder / "part-1.h5:/images", folder / "part-0.h5:/images"});
  EXPECT_EQ(read_bytes(turned, {0}), read_bytes(data, {10}));
  EXPECT_EQ(read_bytes(turned, {1}), read_bytes(data, {0}));
}

TEST(DataSetParts, MoreFilesThanAreKeptOpen) {
  const TemporaryFolder folder;
  for (int i = 0; i < 150; ++i) {
    const auto value = static_cast<std::uint8_t>(i);
    test::write_h5(folder / (std::to_string(1000 + i) + ".h5"), "/x", {1, 1}, H5T_STD_U8LE,
                   H5T_NATIVE_UINT8, &value);
  }
  const DataSet data = DataSet::open({folder / "*.h5:/x"});
  std::vector<std::int64_t> rows = first_rows(150);
  for (int round = 0; round < 2; ++round) {
    const std::vector<std::uint8_t> got = read_bytes(data, rows);
    for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(got[i], rows[i]);
    std::reverse(rows.begin(), rows.end());
  }
}

TEST(DataSetCache, AnyLimitDeliversTheSameValues) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {500, 20}, {.chunk = {16, 20}, .gzip = 1});
  for (const CacheLimits limits :
       {CacheLimits{1, 1}, CacheLimits{40, 1 << 20}, CacheLimits{1 << 20, 700}}) {
    DataSet data = DataSet::open({folder / "a.h5:/x"});
    data.set_cache(limits);
    expect_rows(data, test::byte_pattern(500, 20), read_bytes);
  }
}

TEST(DataSetCopies, ReadIndependently) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {50, 20}, {.chunk = {16, 20}, .gzip = 1});
  const DataSet data = DataSet::open({folder / "a.h5:/x"});
  const std::vector<std::uint8_t> before = read_bytes(data, {3, 40});
  const DataSet copy = data;
  EXPECT_EQ(read_bytes(copy, {3, 40}), before);
  EXPECT_EQ(copy.fingerprint(), data.fingerprint());
}

TEST(DataSetFingerprint, IsOfTheContentAlone) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {500, 20});
  test::write_bytes(folder / "b.h5", "/other/name", {500, 20}, {.chunk = {16, 20}, .gzip = 1});
  test::write_bytes(folder / "c.h5", "/x", {499, 20});
  test::write_bytes(folder / "d.h5", "/x", {500, 4, 5});
  auto values = test::byte_pattern(500, 20);
  values.back() ^= 1;
  test::write_h5(folder / "e.h5", "/x", {500, 20}, H5T_STD_U8LE, H5T_NATIVE_UINT8, values.data());
  const std::vector<float> floats(values.begin(), values.end());
  test::write_h5(folder / "f.h5", "/x", {500, 20}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, floats.data());
  const auto fingerprint = [&](const char* spec) {
    return DataSet::open({folder / spec}).fingerprint();
  };
  const std::string original = fingerprint("a.h5:/x");
  EXPECT_EQ(original.size(), 32U);
  EXPECT_EQ(fingerprint("b.h5:/other/name"), original);
  for (const char* other : {"c.h5:/x", "d.h5:/x", "e.h5:/x", "f.h5:/x"}) {
    EXPECT_NE(fingerprint(other), original) << other;
  }
}

}  // namespace
}  // namespace elbow
