#include "data/rows_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "data/data_set.h"
#include "tests/base/full_disk.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RowsFileTest : public testing::Test {
 protected:
  std::vector<double> labels(const std::string& column, std::int64_t rows) const {
    const DataSet data = DataSet::open({path_ + ":/" + column}, RowKind::kLabels);
    std::vector<std::int64_t> indices;
    for (std::int64_t i = 0; i < rows; ++i) indices.push_back(i);
    std::vector<double> values(static_cast<std::size_t>(rows * data.row_elements()));
    data.read(indices, values);
    return values;
  }

  elbow::TemporaryFolder folder_;
  std::string path_ = (folder_ / "rows.h5").string();
};

template <typename T>
std::span<const std::byte> bytes(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

TEST_F(RowsFileTest, HoldsRowsOfEveryTypeInTheOrderTheyCame) {
  RowsFile file(path_, 3,
                {{"byte", RowType::kUint8, {2}},
                 {"whole", RowType::kInt64},
                 {"float", RowType::kFloat32, {1, 2}},
                 {"double", RowType::kFloat64}});
  file.append({bytes<std::uint8_t>({1, 2, 3, 4}), bytes<std::int64_t>({-1, 1LL << 40}),
               bytes<float>({0.5F, 1.5F, 2.5F, 3.5F}), bytes<double>({0.1, 0.2})});
  file.append({bytes<std::uint8_t>({5, 255}), bytes<std::int64_t>({7}), bytes<float>({4.5F, 5.5F}),
               bytes<double>({0.3})});
  file.finish();
  EXPECT_THAT(labels("byte", 3), ElementsAre(1, 2, 3, 4, 5, 255));
  EXPECT_THAT(labels("whole", 3), ElementsAre(-1, 1099511627776.0, 7));
  EXPECT_THAT(labels("float", 3), ElementsAre(0.5, 1.5, 2.5, 3.5, 4.5, 5.5));
  EXPECT_THAT(labels("double", 3), ElementsAre(0.1, 0.2, 0.3));
  EXPECT_THAT(folder_.names(), ElementsAre("rows.h5"));
}

TEST_F(RowsFileTest, SaysWhatItIsOf) {
  RowsFile file(path_, 1, {{"x"}}, {{{"data", "a.h5:/images"}}, {{"seed", 7}}});
  file.append({bytes<double>({1})});
  file.finish();
  const auto guard = hdf5::lock();
  const hdf5::Handle opened = hdf5::open_file(path_);
  std::int64_t seed = 0;
  const hdf5::Handle number(H5Aopen(opened.get(), "seed", H5P_DEFAULT), H5Aclose);
  ASSERT_GE(H5Aread(number.get(), H5T_NATIVE_INT64, &seed), 0);
  EXPECT_EQ(seed, 7);
  const hdf5::Handle text(H5Aopen(opened.get(), "data", H5P_DEFAULT), H5Aclose);
  const hdf5::Handle type(H5Aget_type(text.get()), H5Tclose);
  char* value = nullptr;
  ASSERT_GE(H5Aread(text.get(), type.get(), &value), 0);
  EXPECT_STREQ(value, "a.h5:/images");
  H5free_memory(value);
}

TEST_F(RowsFileTest, IsNotThereUntilItIsWhole) {
  {
    RowsFile file(path_, 2, {{"x"}});
    file.append({bytes<double>({1})});
    EXPECT_FALSE(std::filesystem::exists(path_));
    EXPECT_THROW(file.finish(), Error);
  }
  EXPECT_THAT(folder_.names(), IsEmpty());
}

TEST_F(RowsFileTest, AFullDiskIsSaidSoAndNothingStays) {
  const std::vector<double> values(1 << 16);
  std::string message;
  try {
    RowsFile file(path_, 1 << 16, {{"x"}});
    const FullDisk full(100000);
    file.append({bytes(values)});
    file.finish();
  } catch (const Error& error) {
    message = error.what();
    EXPECT_EQ(error.code(), ExitCode::kFailed);
  }
  EXPECT_THAT(message, HasSubstr("rows.h5: cannot write"));
  EXPECT_THAT(message, HasSubstr("File too large"));
  EXPECT_THAT(message, Not(HasSubstr("errno")));
  EXPECT_THAT(folder_.names(), IsEmpty());
}

TEST_F(RowsFileTest, RefusesColumnsOfDifferentLengths) {
  RowsFile file(path_, 2, {{"x"}, {"y"}});
  EXPECT_THROW(file.append({bytes<double>({1, 2}), bytes<double>({1})}), Error);
}

TEST_F(RowsFileTest, NamesTheFileThatCannotBeMade) {
  try {
    RowsFile file(folder_ / "absent/rows.h5", 1, {{"x"}});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("absent/rows.h5"));
  }
}

}  // namespace
}  // namespace elbow
