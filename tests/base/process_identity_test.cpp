#include "base/process_identity.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/base/ended_process.h"

namespace elbow {
namespace {

TEST(ProcessIdentity, OneThatRunsIsNotGone) {
  const ProcessIdentity self = this_process();
  EXPECT_EQ(self.pid, ::getpid());
  EXPECT_FALSE(self.host.empty());
  EXPECT_THAT(self.pid_namespace, testing::StartsWith("pid:["));
  EXPECT_GT(std::stoll(self.started), 0);
  EXPECT_FALSE(is_gone(self));
}

TEST(ProcessIdentity, OneThatEndedIsGone) { EXPECT_TRUE(is_gone(test::ended_process())); }

TEST(ProcessIdentity, ZombieIsGone) {
  const test::Zombie zombie;
  EXPECT_TRUE(is_gone(zombie.identity()));
}

TEST(ProcessIdentity, OneWhoseNumberIsAnothersIsGone) {
  ProcessIdentity earlier = this_process();
  earlier.started = std::to_string(std::stoll(earlier.started) - 1);
  EXPECT_TRUE(is_gone(earlier));
  earlier.started.clear();  // it cannot be told
  EXPECT_FALSE(is_gone(earlier));
}

TEST(ProcessIdentity, OfOtherMachinesAndContainersNothingIsKnown) {
  ProcessIdentity elsewhere = test::ended_process();
  elsewhere.host += "-not";
  EXPECT_FALSE(is_gone(elsewhere));
  elsewhere = test::ended_process();
  elsewhere.pid_namespace = "pid:[1]";
  EXPECT_FALSE(is_gone(elsewhere));
}

TEST(ProcessIdentity, ImpossibleNumbersAreNotJudged) {
  ProcessIdentity process = this_process();
  for (const std::int64_t pid :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 32,
        std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    process.pid = pid;
    EXPECT_FALSE(is_gone(process)) << pid;
  }
}

}  // namespace
}  // namespace elbow
