#include "base/atomic_file.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/process_identity.h"
#include "base/temporary_files.h"
#include "tests/base/ended_process.h"
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

// As a process names its files.
std::filesystem::path made_by(const ProcessIdentity& process, const std::filesystem::path& path) {
  const std::string own = temporary_name(path).string();
  const std::string place = own.substr(own.rfind('-'));
  return fmt::format("{}.tmp-{}-{}{}", path.string(), process.pid, process.started, place);
}

TEST(AtomicFile, WhatAKilledProcessLeftIsRemovedByTheNextWrite) {
  const TemporaryFolder folder;
  const auto path = folder / "data.h5";
  const auto left = made_by(test::ended_process(), path);
  std::ofstream(left) << "half";
  write_file_atomically(path, "whole");
  EXPECT_THAT(folder.names(), UnorderedElementsAre("data.h5"));
  ProcessIdentity earlier = this_process();  // whose number is ours by now
  earlier.started = std::to_string(std::stoll(earlier.started) - 1);
  std::ofstream(made_by(earlier, path)) << "half";
  remove_abandoned(path);
  EXPECT_THAT(folder.names(), UnorderedElementsAre("data.h5"));
}

// Of a process that runs, of one on another machine, of an older version, of another output.
TEST(AtomicFile, WhatMayBeInTheMakingIsLeft) {
  const TemporaryFolder folder;
  const auto path = folder / "data.h5";
  EXPECT_EQ(made_by(this_process(), path), temporary_name(path));
  const std::string elsewhere = made_by(test::ended_process(), path).string();
  const std::vector<std::filesystem::path> kept = {
      temporary_name(path),
      made_by(identity_of(::getppid()), path),
      elsewhere.substr(0, elsewhere.size() - 8) + "00000000",
      path.string() + ".tmp-4711",
      path.string() + ".tmp-1-2",
      path.string() + ".tmp-x-y-z",
      made_by(test::ended_process(), folder / "other.h5"),
      folder / "data.h5.mine"};
  for (const auto& file : kept) std::ofstream(file) << "x";
  remove_abandoned(path);
  EXPECT_EQ(folder.names().size(), kept.size());
  remove_abandoned(folder / "nowhere" / "data.h5");
}

TEST(AtomicFile, TemporaryNamesAreKnown) {
  EXPECT_TRUE(is_temporary_name(temporary_name("run.json").string()));
  EXPECT_TRUE(is_temporary_name("run.json.tmp-4711"));
  EXPECT_FALSE(is_temporary_name("run.json"));
  EXPECT_FALSE(is_temporary_name("run.json.tmp-"));
  EXPECT_FALSE(is_temporary_name("notes.tmp-x"));
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
              HasSubstr("no permission to read it"));
}

}  // namespace
}  // namespace elbow
