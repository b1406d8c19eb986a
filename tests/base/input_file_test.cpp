#include "base/input_file.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "tests/base/message_of.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

using test::message_of;
using testing::AllOf;
using testing::HasSubstr;

std::string refusal(const std::filesystem::path& path) {
  return message_of([&] { InputFile file(path); });
}

// A test that waited for a writer of the pipe would not end.
TEST(InputFile, RefusesWhatHasNoEndOrNoBeginning) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink(folder / "pipe", folder / "link");
  EXPECT_THAT(refusal(folder / "pipe"),
              AllOf(HasSubstr((folder / "pipe").string()), HasSubstr("not a regular file")));
  EXPECT_THAT(refusal(folder / "link"), HasSubstr("not a regular file"));
  EXPECT_THAT(refusal("/dev/zero"), HasSubstr("not a regular file"));
  EXPECT_THAT(refusal(folder.path()), HasSubstr("it is a folder"));
  EXPECT_THAT(refusal(folder / "none"), HasSubstr("no such file"));
}

TEST(InputFile, ReadsAnywhereAndSaysWhereItEnds) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "file", "0123456789");
  const InputFile file(folder / "file");
  EXPECT_EQ(file.size(), 10U);
  std::array<std::byte, 3> piece{};
  file.read(4, piece);
  EXPECT_EQ(piece.front(), std::byte{'4'});
  EXPECT_THAT(message_of([&] { file.read(8, piece); }), HasSubstr("became shorter"));
}

TEST(InputFile, ErrorsBecomeThoseOfWhatIsRead) {
  EXPECT_THROW(errors_as<DataError>([] { return InputFile("/no/such/file"); }), DataError);
  EXPECT_EQ(errors_as<DataError>([] { return 7; }), 7);
}

}  // namespace
}  // namespace elbow
