#include "data/cars3d.h"

#include <array>
#include <fstream>
#include <functional>
#include <iterator>
#include <numeric>

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <matio.h>

#include "base/error.h"
#include "data/cars3d_mat.h"
#include "data/cars3d_source.h"
#include "data/data_set.h"
#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using test::TemporaryFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::size_t kSide = 12;

// A stored value, from model and axes as the files have them.
std::uint8_t value(std::size_t model, std::size_t row, std::size_t column, std::size_t channel,
                   std::size_t azimuth, std::size_t elevation) {
  return static_cast<std::uint8_t>(97 * model + 13 * row * row + 29 * column + 71 * channel +
                                   7 * azimuth + 41 * elevation + row * column);
}

std::vector<std::uint8_t> values(std::size_t model, std::size_t side = kSide) {
  std::vector<std::uint8_t> result;
  for (std::size_t e = 0; e < 4; ++e) {
    for (std::size_t a = 0; a < 24; ++a) {
      for (std::size_t c = 0; c < 3; ++c) {
        for (std::size_t column = 0; column < side; ++column) {
          for (std::size_t row = 0; row < side; ++row) {
            result.push_back(value(model, row, column, c, a, e));
          }
        }
      }
    }
  }
  return result;
}

struct Variable {
  std::string name = "im";
  std::vector<std::size_t> shape = {kSide, kSide, 3, 24, 4};
  bool doubles = false;
  bool compressed = true;
};

// As the archive's files: `mask` beside `im`.
void write_mat(const std::string& path, std::size_t model, Variable variable = {}) {
  mat_t* const file = Mat_CreateVer(path.c_str(), nullptr, MAT_FT_MAT5);
  ASSERT_NE(file, nullptr);
  const auto put = [&](const std::string& name, std::vector<std::size_t> shape, bool doubles) {
    const std::size_t count =
        std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
    std::vector<std::uint8_t> bytes = values(model, shape.front());
    bytes.resize(count);
    std::vector<double> numbers(bytes.begin(), bytes.end());
    matvar_t* const made =
        Mat_VarCreate(name.c_str(), doubles ? MAT_C_DOUBLE : MAT_C_UINT8,
                      doubles ? MAT_T_DOUBLE : MAT_T_UINT8, static_cast<int>(shape.size()),
                      shape.data(), doubles ? static_cast<void*>(numbers.data()) : bytes.data(), 0);
    Mat_VarWrite(file, made, variable.compressed ? MAT_COMPRESSION_ZLIB : MAT_COMPRESSION_NONE);
    Mat_VarFree(made);
  };
  put("mask", {kSide, kSide, 24, 4}, false);
  put(variable.name, variable.shape, variable.doubles);
  Mat_Close(file);
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

using Member = std::pair<std::string, std::string>;  // path, content; "-> x": a link to x

void write_archive(const std::string& path, const std::vector<Member>& members, bool gzip = true) {
  archive* const out = archive_write_new();
  if (gzip) archive_write_add_filter_gzip(out);
  archive_write_set_format_pax_restricted(out);
  archive_write_open_filename(out, path.c_str());
  for (const auto& [name, content] : members) {
    archive_entry* const entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_perm(entry, 0644);
    if (content.starts_with("-> ")) {
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_set_symlink(entry, content.c_str() + 3);
    } else {
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    }
    archive_write_header(out, entry);
    if (!content.starts_with("-> ")) archive_write_data(out, content.data(), content.size());
    archive_entry_free(entry);
  }
  archive_write_close(out);
  archive_write_free(out);
}

class Cars3dTest : public testing::Test {
 protected:
  Cars3dTest() {
    std::filesystem::create_directories(cars_);
    // The list's order is not that of the names.
    write(list(), "car_002_mesh\ncar_010_mesh\r\ncar_001_mesh\n");
    for (std::size_t i = 0; i < 3; ++i) write_mat(mat(i), i);
  }
  std::string list() const { return (cars_ / "list.txt").string(); }
  std::string mat(std::size_t model) const {
    const std::array<const char*, 3> names{"car_002_mesh", "car_010_mesh", "car_001_mesh"};
    return (cars_ / (std::string(names.at(model)) + ".mat")).string();
  }
  // As distributed: other data before and after, and members in another order than the list's.
  std::vector<Member> members() const {
    return {{"data/shapes48.mat", "other"},
            {"data/cars/car_001_mesh.mat", read(mat(2))},
            {"./data/cars/car_002_mesh.mat", read(mat(0))},
            {"data/cars/list.txt", read(list())},
            {"data/cars/car_010_mesh.mat", read(mat(1))},
            {"data/sprites/list.txt", "other"}};
  }
  Cars3dImport job(std::int64_t size = kSide) const {
    return {folder_ / "source", folder_ / "out.h5", "cars", false, size};
  }
  Cars3dImport archive_job(const std::vector<Member>& members) const {
    write_archive(folder_ / "a.tar.gz", members);
    Cars3dImport import = job();
    import.source = folder_ / "a.tar.gz";
    return import;
  }
  // The message of a refusal that leaves nothing behind.
  std::string refusal(const Cars3dImport& import) const {
    const std::size_t files = folder_.names().size();
    const std::string message = test::message_of<Error>([&] { import_cars3d(import); });
    EXPECT_EQ(folder_.names().size(), files) << message;
    return message;
  }
  std::vector<std::uint8_t> image(std::int64_t row, std::size_t size) const {
    const DataSet data = DataSet::open({folder_ / "out.h5:/cars/images"});
    std::vector<std::uint8_t> pixels(size * size * 3);
    data.read(std::vector{row}, reinterpret_cast<std::byte*>(pixels.data()));
    return pixels;
  }
  void expect_all_values() const {
    for (std::size_t model = 0; model < 3; ++model) {
      for (std::size_t view = 0; view < 96; ++view) {
        std::vector<std::uint8_t> expected;
        for (std::size_t row = 0; row < kSide; ++row) {
          for (std::size_t column = 0; column < kSide; ++column) {
            for (std::size_t c = 0; c < 3; ++c) {
              expected.push_back(value(model, row, column, c, view / 4, view % 4));
            }
          }
        }
        ASSERT_EQ(image(static_cast<std::int64_t>(model * 96 + view), kSide), expected);
      }
    }
  }

  TemporaryFolder folder_;
  std::filesystem::path cars_ = folder_.path() / "source" / "data" / "cars";
};

TEST_F(Cars3dTest, AFolderArrivesValueByValue) {
  const std::vector<Imported> written = import_cars3d(job());
  ASSERT_EQ(written.size(), 3U);
  EXPECT_THAT(written[0].shape, ElementsAre(288, kSide, kSide, 3));
  EXPECT_EQ(folder_.names().size(), 2U);
  expect_all_values();
  const DataSet labels = DataSet::open({folder_ / "out.h5:/cars/labels"}, RowKind::kLabels);
  std::vector<double> label(3);
  labels.read(std::vector<std::int64_t>{96 + 17 * 4 + 2}, std::span(label));
  EXPECT_THAT(label, ElementsAre(1, 17, 2));
  const DataSet models = DataSet::open({folder_ / "out.h5:/cars/model_labels"}, RowKind::kLabels);
  EXPECT_EQ(models.size(), 288);
}

TEST_F(Cars3dTest, TheArchiveToo) {
  import_cars3d(archive_job(members()));
  expect_all_values();
  write_archive(folder_ / "a.tar", members(), false);
  Cars3dImport import = job();
  import.source = folder_ / "a.tar";
  import.replace = true;
  import_cars3d(import);
  expect_all_values();
}

TEST_F(Cars3dTest, FilesWithoutCompressionToo) {
  for (std::size_t i = 0; i < 3; ++i) write_mat(mat(i), i, {.compressed = false});
  import_cars3d(job());
  expect_all_values();
}

// Against sums over a grid on which both pictures' pixels are whole: sizes that divide and don't.
TEST_F(Cars3dTest, SmallerPicturesAreMeansOverAreas) {
  for (const std::size_t size : {1U, 5U, 6U, 8U}) {
    Cars3dImport import = job(static_cast<std::int64_t>(size));
    import.replace = true;
    import_cars3d(import);
    const std::vector<std::uint8_t> pixels = image(96 + 7 * 4 + 3, size);
    for (std::size_t row = 0; row < size; ++row) {
      for (std::size_t column = 0; column < size; ++column) {
        for (std::size_t c = 0; c < 3; ++c) {
          std::size_t sum = 0;
          for (std::size_t i = 0; i < kSide; ++i) {
            for (std::size_t k = 0; k < kSide; ++k) {
              sum += value(1, (row * kSide + i) / size, (column * kSide + k) / size, c, 7, 3);
            }
          }
          EXPECT_EQ(pixels[(row * size + column) * 3 + c],
                    (2 * sum + kSide * kSide) / (2 * kSide * kSide));
        }
      }
    }
  }
  EXPECT_THAT(refusal(job(0)), HasSubstr("--size 0"));
  EXPECT_THAT(refusal([&] {
                Cars3dImport import = job(13);
                import.group = "larger";
                return import;
              }()),
              AllOf(HasSubstr("--size 13 is larger"), HasSubstr("12 x 12")));
}

TEST_F(Cars3dTest, GroupsAreReplacedOnRequestOnly) {
  import_cars3d(job());
  EXPECT_THAT(refusal(job()), AllOf(HasSubstr("/cars already"), HasSubstr("--replace")));
}

TEST_F(Cars3dTest, BadLists) {
  std::filesystem::remove(list());
  EXPECT_THAT(refusal(job()), AllOf(HasSubstr(folder_ / "source"), HasSubstr("no list.txt")));
  for (const char* name : {"../car", "/etc/passwd", "a/b", ".hidden", "a b", "car\x01"}) {
    write(list(), "car_002_mesh\n" + std::string(name) + "\n");
    EXPECT_THAT(refusal(job()), AllOf(HasSubstr("list.txt, line 2"), HasSubstr("plain name")))
        << name;
  }
  write(list(), "car_002_mesh\ncar_002_mesh.mat\n");
  EXPECT_THAT(refusal(job()), HasSubstr("car_002_mesh comes twice"));
  write(list(), "\n\n");
  EXPECT_THAT(refusal(job()), HasSubstr("is empty"));
  write(list(), std::string(2 << 20, 'x'));
  EXPECT_THAT(refusal(job()), HasSubstr("list.txt"));
  std::filesystem::remove(list());
  std::filesystem::create_directory(list());
  EXPECT_THAT(refusal(job()), HasSubstr("not a regular file"));
}

TEST_F(Cars3dTest, BadFiles) {
  const auto says = [&](const std::string& text) {
    EXPECT_THAT(refusal(job()), AllOf(HasSubstr(mat(1)), HasSubstr(text)));
  };
  write_mat(mat(1), 1, {.name = "pictures"});
  says("no variable im; it holds mask, pictures");
  write_mat(mat(1), 1, {.doubles = true});
  says("not of type uint8");
  write_mat(mat(1), 1, {.shape = {kSide, kSide, 3, 4, 24}});
  says("the axes [12, 12, 3, 4, 24]");
  write_mat(mat(1), 1, {.shape = {kSide, kSide, 3, 96}});
  says("the axes [12, 12, 3, 96]");
  write_mat(mat(1), 1, {.shape = {kSide, 10, 3, 24, 4}});
  says("the axes [12, 10, 3, 24, 4]");
  write_mat(mat(1), 1, {.shape = {14, 14, 3, 24, 4}});
  says("sizes disagree: pictures are 12 x 12");
  write(mat(1), "MATLAB 7.3 MAT-file and so on");
  says("save -v7");
  write(mat(1), "PNG");
  says("not a MATLAB 5 file");
  write(mat(1), "");
  says("not a MATLAB 5 file");
  std::filesystem::remove(mat(1));
  says("no such file");
}

TEST_F(Cars3dTest, DamagedFiles) {
  for (const bool compressed : {false, true}) {
    write_mat(mat(1), 1, {.compressed = compressed});
    const std::string whole = read(mat(1));
    for (const std::size_t size : {std::size_t{130}, whole.size() / 2, whole.size() - 1}) {
      write(mat(1), whole.substr(0, size));
      EXPECT_THAT(refusal(job()), AllOf(HasSubstr(mat(1)), HasSubstr("truncated"))) << size;
    }
    std::string version = whole;
    version[125] = 9;
    write(mat(1), version);
    EXPECT_THAT(refusal(job()), HasSubstr("version and byte order"));
    if (!compressed) continue;
    std::string flipped = whole;
    flipped[whole.size() - 100] = static_cast<char>(flipped[whole.size() - 100] ^ 4);
    write(mat(1), flipped);
    EXPECT_THAT(refusal(job()), AllOf(HasSubstr(mat(1)), HasSubstr("damaged")));
  }
}

TEST_F(Cars3dTest, BadArchives) {
  std::vector<Member> some = members();
  some.erase(some.begin() + 3);
  EXPECT_THAT(refusal(archive_job(some)), AllOf(HasSubstr("a.tar.gz"), HasSubstr("no cars/list")));
  some = members();
  some.erase(some.begin() + 1);
  EXPECT_THAT(refusal(archive_job(some)),
              AllOf(HasSubstr("no data/cars/car_001_mesh.mat"), HasSubstr("1 of 3")));
  some = members();
  some.push_back(some[1]);
  EXPECT_THAT(refusal(archive_job(some)), HasSubstr("car_001_mesh.mat comes twice"));
  some = members();
  some[1].second = "-> /etc/passwd";
  EXPECT_THAT(refusal(archive_job(some)), HasSubstr("is a link"));
  some = members();
  some[1].second = "damaged";
  EXPECT_THAT(refusal(archive_job(some)), HasSubstr("a.tar.gz:data/cars/car_001_mesh.mat"));
  const Cars3dImport import = archive_job(members());
  const std::string whole = read(import.source.string());
  write(import.source.string(), whole.substr(0, whole.size() * 2 / 3));
  EXPECT_THAT(refusal(import), AllOf(HasSubstr("cannot read"), HasSubstr("a.tar.gz")));
  write(import.source.string(), "no archive");
  EXPECT_THAT(refusal(import), HasSubstr("a .tar.gz or .tar, or a folder, is expected"));
  std::filesystem::remove(import.source);
  EXPECT_THAT(refusal(import), HasSubstr("no such file or folder"));
}

}  // namespace
}  // namespace elbow
