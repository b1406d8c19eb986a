#include "data/idx.h"

#include <filesystem>
#include <fstream>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libdeflate.h>

#include "base/error.h"
#include "data/data_set.h"
#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using test::TemporaryFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string idx(const std::vector<std::uint32_t>& shape, const std::vector<std::uint8_t>& values,
                char type = 0x08) {
  std::string bytes{'\0', '\0', type, static_cast<char>(shape.size())};
  for (const std::uint32_t extent : shape) {
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(extent >> shift & 0xFF);
  }
  return bytes.append(values.begin(), values.end());
}

std::string gzip(const std::string& bytes, int level = 6) {
  libdeflate_compressor* compressor = libdeflate_alloc_compressor(level);
  std::string packed(libdeflate_gzip_compress_bound(compressor, bytes.size()), '\0');
  packed.resize(libdeflate_gzip_compress(compressor, bytes.data(), bytes.size(), packed.data(),
                                         packed.size()));
  libdeflate_free_compressor(compressor);
  return packed;
}

void write_file(const std::string& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

std::vector<std::uint8_t> read_back(const std::string& spec) {
  const DataSet data = DataSet::open({spec}, RowKind::kLabels);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < data.size(); ++i) rows.push_back(i);
  std::vector<std::uint8_t> values(static_cast<std::size_t>(data.size() * data.row_bytes()));
  data.read(rows, reinterpret_cast<std::byte*>(values.data()));
  return values;
}

class IdxTest : public testing::Test {
 protected:
  IdxTest() : images_(test::byte_pattern(50, 12)), labels_(test::byte_pattern(50, 1)) {
    write_file(folder_ / "images", idx({50, 3, 4}, images_));
    write_file(folder_ / "labels", idx({50}, labels_));
  }
  IdxImport job(const std::string& images = "images", const std::string& labels = "labels") const {
    return {folder_ / images, labels.empty() ? "" : folder_ / labels, folder_ / "out.h5", "train",
            false};
  }
  // The message of a refusal that leaves nothing behind.
  std::string refusal(const IdxImport& import) const {
    const std::size_t files = folder_.names().size();
    const std::string message = test::message_of<Error>([&] { import_idx(import); });
    EXPECT_EQ(folder_.names().size(), files) << message;
    return message;
  }
  std::string refusal_of(const std::string& image_bytes) const {
    write_file(folder_ / "bad", image_bytes);
    const std::string message = refusal(job("bad", ""));
    EXPECT_THAT(message, HasSubstr(folder_ / "bad"));
    return message;
  }

  TemporaryFolder folder_;
  std::vector<std::uint8_t> images_;
  std::vector<std::uint8_t> labels_;
};

TEST_F(IdxTest, PlainFilesArriveByteForByte) {
  const std::vector<Imported> written = import_idx(job());
  ASSERT_EQ(written.size(), 2U);
  EXPECT_EQ(written[0].path, "/train/images");
  EXPECT_THAT(written[0].shape, ElementsAre(50, 3, 4));
  EXPECT_EQ(written[1].path, "/train/labels");
  EXPECT_EQ(read_back(folder_ / "out.h5:/train/images"), images_);
  EXPECT_EQ(read_back(folder_ / "out.h5:/train/labels"), labels_);
  EXPECT_EQ(folder_.names().size(), 3U);
  const DataSet data = DataSet::open({folder_ / "out.h5:/train/images"});
  EXPECT_FALSE(data.chunked());
  EXPECT_THAT(data.row_shape(), ElementsAre(3, 4));
}

TEST_F(IdxTest, CompressedFilesToo) {
  for (const int level : {0, 1, 6, 12}) {
    write_file(folder_ / "images.gz", gzip(idx({50, 3, 4}, images_), level));
    write_file(folder_ / "labels.gz", gzip(idx({50}, labels_), level));
    IdxImport import = job("images.gz", "labels.gz");
    import.replace = true;
    import_idx(import);
    EXPECT_EQ(read_back(folder_ / "out.h5:/train/images"), images_);
    EXPECT_EQ(read_back(folder_ / "out.h5:/train/labels"), labels_);
  }
}

// More than one block of the copy, stored without compression and not: the header is found in
// either.
TEST_F(IdxTest, LargeFiles) {
  std::mt19937 engine(1);
  std::vector<std::uint8_t> noise(20 * 1000 * 1000);
  for (auto& value : noise) value = static_cast<std::uint8_t>(engine());
  for (const int level : {0, 1}) {
    write_file(folder_ / "large", gzip(idx({200, 1000, 100}, noise), level));
    IdxImport import = job("large", "");
    import.replace = true;
    import_idx(import);
    ASSERT_EQ(read_back(folder_ / "out.h5:/train/images"), noise);
  }
}

TEST_F(IdxTest, LabelsOfAnyWidthAndNone) {
  write_file(folder_ / "wide", idx({50, 12}, images_));
  import_idx(job("images", "wide"));
  EXPECT_EQ(read_back(folder_ / "out.h5:/train/labels"), images_);
  IdxImport import = job("wide", "");
  import.split = "unlabelled";
  EXPECT_EQ(import_idx(import).size(), 1U);
}

TEST_F(IdxTest, AnExistingFileGetsAGroupMore) {
  import_idx(job());
  IdxImport test_split = job();
  test_split.split = "test";
  import_idx(test_split);
  EXPECT_EQ(read_back(folder_ / "out.h5:/train/images"), images_);
  EXPECT_EQ(read_back(folder_ / "out.h5:/test/images"), images_);
  EXPECT_EQ(folder_.names().size(), 3U);
}

TEST_F(IdxTest, AGroupThatExistsIsReplacedOnRequestOnly) {
  import_idx(job());
  const auto size = std::filesystem::file_size(folder_ / "out.h5");
  const std::vector<std::uint8_t> others(50 * 12, 9);
  write_file(folder_ / "others", idx({50, 3, 4}, others));
  IdxImport import = job("others");
  EXPECT_THAT(refusal(import),
              AllOf(HasSubstr(folder_ / "out.h5"), HasSubstr("/train"), HasSubstr("--replace")));
  EXPECT_EQ(read_back(folder_ / "out.h5:/train/images"), images_);
  import.replace = true;
  import_idx(import);
  EXPECT_EQ(read_back(folder_ / "out.h5:/train/images"), others);
  EXPECT_LT(std::filesystem::file_size(folder_ / "out.h5"), 2 * size);
}

TEST_F(IdxTest, AFileThatIsNoHdf5IsNotOverwritten) {
  write_file(folder_ / "out.h5", "precious");
  EXPECT_THAT(refusal(job()), HasSubstr("not an HDF5 file"));
  EXPECT_EQ(std::filesystem::file_size(folder_ / "out.h5"), 8U);
}

TEST_F(IdxTest, BadMagic) {
  EXPECT_THAT(refusal_of("PNG and so on"), HasSubstr("not an IDX file"));
  EXPECT_THAT(refusal_of(""), HasSubstr("not an IDX file"));
  EXPECT_THAT(refusal_of(gzip("something else")), HasSubstr("not an IDX file"));
  EXPECT_THAT(refusal_of(idx({50, 3, 4}, images_, 0x0D)),
              AllOf(HasSubstr("type 0x0d"), HasSubstr("unsigned bytes")));
}

TEST_F(IdxTest, WrongLengths) {
  const std::string bytes = idx({50, 3, 4}, images_);
  EXPECT_THAT(refusal_of(bytes.substr(0, 10)), HasSubstr("ends within its header"));
  EXPECT_THAT(refusal_of(bytes.substr(0, bytes.size() - 1)),
              AllOf(HasSubstr("too short"), HasSubstr("[50, 3, 4]"), HasSubstr("616 bytes")));
  EXPECT_THAT(refusal_of(bytes + "x"), HasSubstr("too long"));
  EXPECT_THAT(refusal_of(gzip(bytes.substr(0, 10))), HasSubstr("ends within its header"));
  EXPECT_THAT(refusal_of(gzip(bytes.substr(0, bytes.size() - 1))), HasSubstr("too short"));
  EXPECT_THAT(refusal_of(gzip(bytes + "x")), HasSubstr("too long"));
  EXPECT_THAT(refusal_of(gzip(bytes) + "x"), HasSubstr("1 bytes behind"));
  EXPECT_THAT(refusal_of(idx({0, 3, 4}, {})), HasSubstr("impossible shape"));
  EXPECT_THAT(refusal_of(idx({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, {})),
              HasSubstr("impossible shape"));
}

TEST_F(IdxTest, DamagedCompression) {
  const std::string packed = gzip(idx({50, 3, 4}, images_));
  EXPECT_THAT(refusal_of(packed.substr(0, packed.size() / 2)), HasSubstr("damaged or truncated"));
  std::string flipped = packed;
  flipped[packed.size() - 6] = static_cast<char>(flipped[packed.size() - 6] ^ 1);  // the checksum
  EXPECT_THAT(refusal_of(flipped), HasSubstr("damaged or truncated"));
}

// 64 MiB of zeros in a few kilobytes, behind a header that says 12 bytes; and a header that says
// more than the file can hold. Neither may take the memory.
TEST_F(IdxTest, GzipBombs) {
  write_file(folder_ / "bad",
             gzip(idx({1, 3, 4}, std::vector<std::uint8_t>(std::size_t{1} << 26))));
  EXPECT_THAT(refusal(job("bad", "")), HasSubstr("too long"));
  EXPECT_THAT(refusal_of(gzip(idx({1000000000, 1000, 1000}, images_))), HasSubstr("too short"));
}

TEST_F(IdxTest, CountsThatDisagree) {
  write_file(folder_ / "few", idx({49}, std::vector<std::uint8_t>(49)));
  EXPECT_THAT(refusal(job("images", "few")),
              AllOf(HasSubstr(folder_ / "images"), HasSubstr("50 images"),
                    HasSubstr(folder_ / "few"), HasSubstr("49 labels")));
}

TEST_F(IdxTest, MissingFilesAndSwappedOnes) {
  EXPECT_THAT(refusal(job("none")), AllOf(HasSubstr(folder_ / "none"), HasSubstr("no such file")));
  EXPECT_THAT(refusal(job("images", "none")), HasSubstr(folder_ / "none"));
  EXPECT_THAT(refusal(job("labels", "images")), HasSubstr("are these the labels?"));
  IdxImport import = job();
  import.output = folder_.path() / "no" / "folder" / "out.h5";
  EXPECT_THAT(refusal(import), HasSubstr(import.output.string()));
  import = job();
  import.split = "../x";
  EXPECT_THAT(refusal(import), HasSubstr("cannot name a group (--split)"));
}

}  // namespace
}  // namespace elbow
