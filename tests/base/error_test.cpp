#include "base/error.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace elbow {
namespace {

TEST(Error, KindsCarryTheirExitCode) {
  EXPECT_EQ(static_cast<int>(Error("x").code()), 1);
  EXPECT_EQ(static_cast<int>(ConfigError("x").code()), 2);
  EXPECT_EQ(static_cast<int>(DataError("x").code()), 3);
  EXPECT_EQ(static_cast<int>(CheckpointError("x").code()), 4);
  EXPECT_EQ(static_cast<int>(CommError("x").code()), 5);
  EXPECT_EQ(static_cast<int>(Error("x", ExitCode::kStopped).code()), 75);
}

TEST(Error, MessageIsKeptAsItIs) { EXPECT_STREQ(DataError("a {} b").what(), "a {} b"); }

TEST(Error, ErrnoAsText) {
  EXPECT_EQ(errno_text(ENOENT), "No such file or directory");
  EXPECT_EQ(errno_text(ENOSPC), "No space left on device");
}

}  // namespace
}  // namespace elbow
