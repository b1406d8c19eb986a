#include "base/atomic_file.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/base/full_disk.h"
#include "tests/base/message_of.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

using test::message_of;

using testing::AllOf;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr std::size_t kLimit = 1 << 20;

TEST(AtomicFile, WritesAndReplaces) {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  write_file_atomically(path, "first");
  EXPECT_EQ(read_file(path, kLimit), "first");
  const std::string second("sec\0ond", 7);
  write_file_atomically(path, second);
  EXPECT_EQ(read_file(path, kLimit), second);
  write_file_atomically(path, "");
  EXPECT_EQ(read_file(path, kLimit), "");
  EXPECT_THAT(folder.names(), UnorderedElementsAre("file"));
}

TEST(AtomicFile, WorksInTheCurrentFolder) {
  const TemporaryFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_file_atomically("file", "text");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_file(folder / "file", kLimit), "text");
}

TEST(AtomicFile, FullDiskKeepsTheOldFileAndLeavesNoTemporary) {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  write_file_atomically(path, "old");
  {
    const FullDisk full(1000);
    EXPECT_THAT(message_of([&] { write_file_atomically(path, std::string(5000, 'x')); }),
                AllOf(HasSubstr(path.string() + ":"), HasSubstr("File too large")));
  }
  EXPECT_EQ(read_file(path, kLimit), "old");
  EXPECT_THAT(folder.names(), UnorderedElementsAre("file"));
}

TEST(AtomicFile, FailedRenameLeavesNoTemporary) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "taken" / "inside");
  EXPECT_THAT(message_of([&] { write_file_atomically(folder / "taken", "x"); }),
              HasSubstr("cannot rename"));
  EXPECT_THAT(folder.names(), UnorderedElementsAre("taken"));
}

TEST(AtomicFile, MissingFolderIsNamed) {
  const TemporaryFolder folder;
  const auto path = folder / "nowhere" / "file";
  EXPECT_THAT(message_of([&] { write_file_atomically(path, "x"); }),
              AllOf(HasSubstr(path.string()), HasSubstr("No such file or directory")));
}

TEST(AtomicFile, PublishLeavesTheTemporaryToItsOwner) {
  const TemporaryFolder folder;
  const auto temporary = temporary_name(folder / "file");
  EXPECT_EQ(temporary.parent_path(), folder.path());
  std::ofstream(temporary) << "text";
  publish_file(temporary, folder / "file");
  EXPECT_THAT(folder.names(), UnorderedElementsAre("file"));
  EXPECT_THAT(message_of([&] { publish_file(temporary, folder / "file"); }),
              HasSubstr(temporary.string()));
}

TEST(ReadFile, RefusesWhatIsNotASmallRegularFile) {
  const TemporaryFolder folder;
  EXPECT_THAT(message_of([&] { read_file(folder / "none", kLimit); }), HasSubstr("no such file"));
  EXPECT_THAT(message_of([&] { read_file(folder.path(), kLimit); }),
              HasSubstr("not a regular file"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(message_of([&] { read_file(folder / "pipe", kLimit); }),
              HasSubstr("not a regular file"));
  write_file_atomically(folder / "large", std::string(2048, 'x'));
  EXPECT_THAT(message_of([&] { read_file(folder / "large", 1024); }),
              AllOf(HasSubstr("2.0 KiB"), HasSubstr("1.0 KiB")));
  EXPECT_EQ(read_file(folder / "large", 2048).size(), 2048U);
}

// Root may read everything, so it is nobody for the length of a test.
class Unprivileged {
 public:
  Unprivileged() {
    if (user_ == 0 && ::seteuid(65534) != 0) ADD_FAILURE() << "seteuid failed";
  }
  ~Unprivileged() {
    if (user_ == 0 && ::seteuid(0) != 0) ADD_FAILURE() << "seteuid failed";
  }

 private:
  const ::uid_t user_ = ::geteuid();
};

TEST(ReadFile, SaysWhenItMayNot) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "secret", "x");
  ASSERT_EQ(::chmod((folder / "secret").c_str(), 0), 0);
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);
  const Unprivileged nobody;
  EXPECT_THAT(message_of([&] { read_file(folder / "secret", kLimit); }),
              HasSubstr("Permission denied"));
}

}  // namespace
}  // namespace elbow
