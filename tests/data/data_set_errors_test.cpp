// Every kind of bad input, with its message.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "data/data_set.h"
#include "tests/data/h5_files.h"

namespace elbow {
namespace {

using test::TemporaryFolder;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string refusal(const std::vector<std::string>& specs) {
  return test::message_of<DataError>([&] { DataSet::open(specs); });
}

std::vector<std::byte> read_all(const DataSet& data) {
  std::vector<std::byte> values(static_cast<std::size_t>(data.size() * data.row_bytes()));
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < data.size(); ++i) rows.push_back(i);
  data.read(rows, values.data());
  return values;
}

TEST(DataSetErrors, MissingFile) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal({folder / "none.h5:/x"}),
              AllOf(HasSubstr(folder / "none.h5"), HasSubstr("no such file")));
  EXPECT_THAT(refusal({folder / "*.h5:/x"}), HasSubstr("no file matches " + folder / "*.h5"));
}

TEST(DataSetErrors, FolderInPlaceOfAFile) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal({folder.path().string() + ":/x"}), HasSubstr("it is a folder"));
}

TEST(DataSetErrors, NotHdf5) {
  const TemporaryFolder folder;
  std::ofstream(folder / "a.h5") << "label,pixel\n1,2\n";
  EXPECT_THAT(refusal({folder / "a.h5:/x"}),
              AllOf(HasSubstr(folder / "a.h5"), HasSubstr("not an HDF5 file")));
  std::ofstream(folder / "empty.h5").close();
  EXPECT_THAT(refusal({folder / "empty.h5:/x"}), HasSubstr("not an HDF5 file"));
}

TEST(DataSetErrors, SpecWithoutPathListsWhatIsThere) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/train/images", {4, 2});
  EXPECT_THAT(refusal({folder / "a.h5"}),
              AllOf(HasSubstr("FILE:/path"), HasSubstr("holds /train/images")));
}

TEST(DataSetErrors, WrongPathSuggestsTheNearest) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/train/images", {4, 2});
  test::write_bytes(folder / "a.h5", "/test/images", {4, 2});
  EXPECT_THAT(
      refusal({folder / "a.h5:/train/image"}),
      AllOf(HasSubstr(folder / "a.h5"), HasSubstr("no data set /train/image"),
            HasSubstr("did you mean /train/images?"), HasSubstr("/test/images, /train/images")));
  EXPECT_THAT(refusal({folder / "a.h5:/train"}), HasSubstr("/train is a group"));
}

TEST(DataSetErrors, NoPermission) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {4, 2});
  ::chmod((folder / "a.h5").c_str(), 0);
  // Root may read everything, so it steps down for the attempt.
  const bool root = ::geteuid() == 0;
  constexpr uid_t kNobody = 65534;
  if (root) {
    ::chmod(folder.path().c_str(), 0755);
    ASSERT_EQ(::seteuid(kNobody), 0);
  }
  const std::string message = refusal({folder / "a.h5:/x"});
  if (root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_THAT(message, AllOf(HasSubstr(folder / "a.h5"), HasSubstr("no permission")));
}

TEST(DataSetErrors, TruncatedFileIsRefusedAtEveryLength) {
  const TemporaryFolder folder;
  for (const bool chunked : {false, true}) {
    const std::string file = folder / (chunked ? "chunked.h5" : "contiguous.h5");
    test::Storage storage;
    if (chunked) storage = {.chunk = {16, 30}, .gzip = 1};
    test::write_bytes(file, "/x", {200, 30}, storage);
    const auto size = std::filesystem::file_size(file);
    for (int i = 1; i < 40; ++i) {
      const std::string cut = folder / "cut.h5";
      std::filesystem::copy_file(file, cut, std::filesystem::copy_options::overwrite_existing);
      std::filesystem::resize_file(cut, size * static_cast<unsigned>(i) / 40);
      const std::string message =
          test::message_of<DataError>([&] { read_all(DataSet::open({cut + ":/x"})); });
      EXPECT_THAT(message, AllOf(HasSubstr(cut), HasSubstr("truncated"))) << i;
    }
  }
}

TEST(DataSetErrors, FileThatShrinksWhileOpen) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {20000, 30});
  const DataSet data = DataSet::open({folder / "a.h5:/x"});
  std::vector<std::byte> row(30);
  const std::vector<std::int64_t> last{19999};
  data.read(last, row.data());
  std::filesystem::resize_file(folder / "a.h5", 10000);
  EXPECT_THAT(test::message_of<DataError>([&] { data.read(last, row.data()); }),
              AllOf(HasSubstr(folder / "a.h5:/x"), HasSubstr("truncated")));
}

TEST(DataSetErrors, FileThatWasReplaced) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {20, 30});
  const DataSet data = DataSet::open({folder / "a.h5:/x"});
  std::filesystem::remove(folder / "a.h5");
  test::write_bytes(folder / "a.h5", "/x", {40, 30});
  EXPECT_THAT(test::message_of<DataError>([&] { read_all(data); }),
              AllOf(HasSubstr(folder / "a.h5"), HasSubstr("has changed")));
}

TEST(DataSetErrors, PartsThatDisagreeNameBoth) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {4, 3, 2});
  test::write_bytes(folder / "b.h5", "/x", {4, 2, 3});
  const std::vector<float> values(24, 1.0F);
  test::write_h5(folder / "c.h5", "/x", {4, 3, 2}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values.data());
  EXPECT_THAT(refusal({folder / "a.h5:/x", folder / "b.h5:/x"}),
              AllOf(HasSubstr("disagree in shape"), HasSubstr(folder / "a.h5:/x"),
                    HasSubstr(folder / "b.h5:/x"), HasSubstr("[3, 2]"), HasSubstr("[2, 3]")));
  EXPECT_THAT(refusal({folder / "a.h5:/x", folder / "c.h5:/x"}),
              AllOf(HasSubstr("disagree in type"), HasSubstr(folder / "a.h5:/x"),
                    HasSubstr(folder / "c.h5:/x"), HasSubstr("uint8"), HasSubstr("float32")));
  EXPECT_THAT(refusal({folder / "a.h5:/x", folder / "a.h5:/x"}), HasSubstr("named twice"));
}

TEST(DataSetErrors, ShapesThatAreNoSamples) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/labels", {4});
  test::write_bytes(folder / "a.h5", "/deep", {2, 1, 2, 1, 2});
  test::write_h5(folder / "a.h5", "/empty", {0, 3}, H5T_STD_U8LE, H5T_NATIVE_UINT8, nullptr);
  test::write_h5(folder / "a.h5", "/scalar", {}, H5T_STD_U8LE, H5T_NATIVE_UINT8, nullptr);
  EXPECT_THAT(refusal({folder / "a.h5:/labels"}), HasSubstr("one to three axes"));
  EXPECT_THAT(refusal({folder / "a.h5:/deep"}), HasSubstr("at most three axes"));
  EXPECT_THAT(refusal({folder / "a.h5:/empty"}), HasSubstr("is empty"));
  EXPECT_THAT(refusal({folder / "a.h5:/scalar"}), HasSubstr("single number"));
}

TEST(DataSetErrors, TextIsNoNumbers) {
  const TemporaryFolder folder;
  hid_t text = H5I_INVALID_HID;
  {
    const auto held = hdf5::lock();
    text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, 4);
  }
  test::write_h5(folder / "a.h5", "/names", {2, 2}, text, text, "abc\0def\0ghi\0jkl");
  H5Tclose(text);
  EXPECT_THAT(refusal({folder / "a.h5:/names"}),
              AllOf(HasSubstr(folder / "a.h5:/names"), HasSubstr("holds text, not numbers")));
}

// The library writes beyond 64 bits of its own stack when it converts them.
TEST(DataSetErrors, IntegersThatAreTooWide) {
  const TemporaryFolder folder;
  hid_t wide = H5I_INVALID_HID;
  {
    const auto held = hdf5::lock();
    wide = H5Tcopy(H5T_STD_I64LE);
    H5Tset_size(wide, 16);
    H5Tset_precision(wide, 100);
  }
  const std::vector<std::byte> values(4 * 2 * 16, std::byte{0xFF});
  test::write_h5(folder / "a.h5", "/x", {4, 2}, wide, wide, values.data());
  H5Tclose(wide);
  EXPECT_THAT(refusal({folder / "a.h5:/x"}),
              AllOf(HasSubstr(folder / "a.h5:/x"), HasSubstr("at most 64 are read")));
}

// A pipe would be waited for, and a device has no end.
TEST(DataSetErrors, PipesAndDevices) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(refusal({folder / "pipe:/x"}), HasSubstr("not a regular file"));
  EXPECT_THAT(refusal({"/dev/zero:/x"}), HasSubstr("not a regular file"));
}

// What was never written takes no room: such a file of 1.4 kB would be read for years.
TEST(DataSetErrors, MoreRowsThanTheFileCanHold) {
  const TemporaryFolder folder;
  const hsize_t many = hsize_t{1} << 40;
  test::write_h5(folder / "chunked.h5", "/x", {many, 8}, H5T_STD_U8LE, H5T_NATIVE_UINT8, nullptr,
                 {.chunk = {64, 8}});
  test::write_h5(folder / "flat.h5", "/x", {many, 8}, H5T_STD_U8LE, H5T_NATIVE_UINT8, nullptr);
  EXPECT_THAT(
      refusal({folder / "chunked.h5:/x"}),
      AllOf(HasSubstr(folder / "chunked.h5:/x"), HasSubstr("8.0 TiB"), HasSubstr("never written")));
  EXPECT_THAT(refusal({folder / "flat.h5:/x"}), HasSubstr("never written"));
  // A few rows, in a chunk that would be unpacked whole.
  test::write_h5(folder / "chunk.h5", "/x", {4, 8}, H5T_STD_U8LE, H5T_NATIVE_UINT8, nullptr,
                 {.chunk = {4, hsize_t{1} << 26}, .unlimited = true, .gzip = 1});
  EXPECT_THAT(refusal({folder / "chunk.h5:/x"}), HasSubstr("chunks"));
}

TEST(DataSetErrors, MoreRowsThanCompactStorageHolds) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {48, 8, 8}, {.compact = true});
  std::fstream file(folder / "a.h5", std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  // The shape, in 64 bits an axis.
  const std::string shape("\x30\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0", 24);
  const std::size_t at = bytes.find(shape);
  ASSERT_NE(at, std::string::npos);
  file.seekp(static_cast<std::streamoff>(at + 2));
  file.put(1);
  file.close();
  EXPECT_THAT(refusal({folder / "a.h5:/x"}),
              AllOf(HasSubstr("[65584, 8, 8]"), HasSubstr("and holds 3072: the file is damaged")));
}

TEST(DataSetErrors, PackedMoreThanOnce) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {64, 8}, {.chunk = {64, 8}, .gzip = 9, .gzip_times = 2});
  EXPECT_THAT(refusal({folder / "a.h5:/x"}), HasSubstr("more than once"));
}

// Groups that hold each other twice: 2^32 ways through them.
TEST(DataSetErrors, GroupsWithoutEnd) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/g/x", {4, 2});
  {
    const auto held = hdf5::lock();
    const hid_t file = H5Fopen((folder / "a.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    for (const char* name : {"/g/a", "/g/b"}) {
      ASSERT_GE(H5Lcreate_hard(file, "/g", file, name, H5P_DEFAULT, H5P_DEFAULT), 0);
    }
    H5Fclose(file);
  }
  EXPECT_THAT(refusal({folder / "a.h5:/nothing"}), HasSubstr("no data set /nothing"));
}

// What would end this process, or never end, does so in another.
TEST(DataSetErrors, DeathOfTheLibraryIsAnError) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {4, 2});
  const auto die = [&] {
    DataSet::open({folder / "a.h5:/x"});  // the library is of use there
    std::raise(SIGSEGV);
  };
  EXPECT_THAT(test::message_of<DataError>([&] { hdf5::rehearse("a.h5", die); }),
              AllOf(HasSubstr("a.h5: the HDF5 library crashed (Segmentation fault)"),
                    HasSubstr("get it again")));
  DataSet::open({folder / "a.h5:/x"});  // and still here
}

TEST(DataSetErrors, LinksThatLeadNowhere) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {4, 2});
  {
    const auto held = hdf5::lock();
    const hid_t file = H5Fopen((folder / "a.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    ASSERT_GE(H5Lcreate_soft("/nowhere", file, "/dangling", H5P_DEFAULT, H5P_DEFAULT), 0);
    ASSERT_GE(H5Lcreate_soft("/x", file, "/sound", H5P_DEFAULT, H5P_DEFAULT), 0);
    H5Fclose(file);
  }
  EXPECT_THAT(refusal({folder / "a.h5:/dangling"}),
              AllOf(HasSubstr("a link to /nowhere, which is not there"), Not(HasSubstr("other"))));
  EXPECT_EQ(DataSet::open({folder / "a.h5:/sound"}).size(), 4);
}

// The version of a layout message that HDF5 2.0 writes.
TEST(DataSetErrors, FormsOfNewerLibraries) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {4, 2});
  std::fstream file(folder / "a.h5", std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  // Version 3, contiguous, and the size of the values at the end.
  const std::string size("\x08\0\0\0\0\0\0\0", 8);
  std::size_t at = std::string::npos;
  for (std::size_t i = 0; i + 18 <= bytes.size(); ++i) {
    if (bytes[i] == 3 && bytes[i + 1] == 1 && bytes.compare(i + 10, 8, size) == 0) at = i;
  }
  ASSERT_NE(at, std::string::npos);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(5);
  file.close();
  EXPECT_THAT(refusal({folder / "a.h5:/x"}),
              AllOf(HasSubstr("a newer HDF5 wrote it"), HasSubstr("import h5py"),
                    Not(HasSubstr("other files"))));
}

// Marked as open by a writer that has not closed it, and, on this host, locked by it.
TEST(DataSetErrors, FilesThatAreBeingWritten) {
  const TemporaryFolder folder;
  const std::string file = folder / "a.h5";
  {
    const auto held = hdf5::lock();
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    const hid_t open = H5Fcreate((folder / "open.h5").c_str(), H5F_ACC_EXCL, H5P_DEFAULT, access);
    H5Fflush(open, H5F_SCOPE_GLOBAL);
    std::filesystem::copy_file(folder / "open.h5", file);
    H5Fclose(open);
    H5Pclose(access);
  }
  EXPECT_THAT(refusal({file + ":/x"}),
              AllOf(HasSubstr("has not closed it"), HasSubstr("h5clear -s " + file),
                    Not(HasSubstr("damaged"))));
  const Descriptor writer(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(writer.get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_THAT(refusal({file + ":/x"}),
              AllOf(HasSubstr("another program has it open for writing; wait"),
                    Not(HasSubstr("damaged")), Not(HasSubstr("h5clear"))));
}

TEST(DataSetErrors, ValuesInOtherFilesAreNotFollowed) {
  const TemporaryFolder folder;
  {
    const auto held = hdf5::lock();
    const hid_t file = H5Fcreate((folder / "a.h5").c_str(), H5F_ACC_EXCL, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(list, (folder / "raw").c_str(), 0, H5F_UNLIMITED);
    const std::vector<hsize_t> shape{4, 2};
    const hid_t space = H5Screate_simple(2, shape.data(), nullptr);
    H5Dclose(H5Dcreate2(file, "x", H5T_STD_U8LE, space, H5P_DEFAULT, list, H5P_DEFAULT));
    H5Sclose(space);
    H5Pclose(list);
    H5Fclose(file);
  }
  EXPECT_THAT(refusal({folder / "a.h5:/x"}),
              AllOf(HasSubstr("in other files"), HasSubstr("h5repack -l /x:CONTI")));
}

// A link to another file, as a file from elsewhere may hold, is not followed.
TEST(DataSetErrors, ExternalLinksAreNotFollowed) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "secret.h5", "/x", {4, 2});
  test::write_bytes(folder / "a.h5", "/y", {4, 2});
  {
    const auto held = hdf5::lock();
    const hid_t file = H5Fopen((folder / "a.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    const std::string secret = folder / "secret.h5";
    ASSERT_GE(H5Lcreate_external(secret.c_str(), "/x", file, "/x", H5P_DEFAULT, H5P_DEFAULT), 0);
    ASSERT_GE(H5Lcreate_external(secret.c_str(), "/", file, "/g", H5P_DEFAULT, H5P_DEFAULT), 0);
    H5Fclose(file);
  }
  EXPECT_THAT(refusal({folder / "a.h5:/x"}),
              AllOf(HasSubstr(folder / "a.h5:/x"), HasSubstr("other files are not followed"),
                    HasSubstr(folder / "secret.h5:/x")));
  EXPECT_THAT(refusal({folder / "a.h5:/g/x"}), HasSubstr("no data set /g/x"));
}

TEST(DataSetErrors, IndexOutsideTheDataSet) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {4, 2});
  const DataSet data = DataSet::open({folder / "a.h5:/x"});
  std::vector<std::byte> row(2);
  for (const std::int64_t index : {std::int64_t{-1}, std::int64_t{4}}) {
    const std::vector<std::int64_t> rows{index};
    EXPECT_THAT(test::message_of<DataError>([&] { data.read(rows, row.data()); }),
                HasSubstr("no row"));
  }
}

// One bit anywhere among the values of a file with checksums: an error, or (outside the values, as
// in unused space) the right values; never wrong ones.
TEST(DataSetErrors, FlippedBitUnderFletcher32) {
  const TemporaryFolder folder;
  test::write_bytes(folder / "a.h5", "/x", {200, 30},
                    {.chunk = {32, 30}, .fletcher32 = true, .latest_format = true});
  const std::vector<std::byte> right = read_all(DataSet::open({folder / "a.h5:/x"}));
  const auto size = std::filesystem::file_size(folder / "a.h5");
  const std::string copy = folder / "flipped.h5";
  int refused = 0;
  for (int trial = 0; trial < 200; ++trial) {
    std::filesystem::copy_file(folder / "a.h5", copy,
                               std::filesystem::copy_options::overwrite_existing);
    test::flip_bit(copy, size * static_cast<unsigned>(trial) / 200, trial % 8);
    try {
      ASSERT_EQ(read_all(DataSet::open({copy + ":/x"})), right) << trial;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr(copy));
      ++refused;
    }
  }
  EXPECT_GT(refused, 120);
}

}  // namespace
}  // namespace elbow
