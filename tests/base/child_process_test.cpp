#include "base/child_process.h"

#include <csignal>
#include <new>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "base/log.h"

namespace elbow {
namespace {

using testing::IsEmpty;

TEST(ChildProcess, WorkThatEndsLeavesNothing) {
  int changed = 0;
  const ChildEnd end = run_in_child([&] { changed = 1; });
  EXPECT_THAT(end.error, IsEmpty());
  EXPECT_THAT(end.death, IsEmpty());
  EXPECT_EQ(changed, 0);
}

TEST(ChildProcess, SaysWhatWasThrown) {
  const ChildEnd end = run_in_child([] { throw std::runtime_error("no such row"); });
  EXPECT_EQ(end.error, "no such row");
  EXPECT_THAT(end.death, IsEmpty());
}

TEST(ChildProcess, DeathBySignalIsToldInWords) {
  EXPECT_EQ(run_in_child([] { std::raise(SIGSEGV); }).death, "crashed (Segmentation fault)");
  EXPECT_EQ(run_in_child([] { std::raise(SIGABRT); }).death, "crashed (Aborted)");
}

TEST(ChildProcess, MemoryIsLimited) {
  ChildLimits limits;
  limits.memory = std::int64_t{64} << 20;
  // Not by operator new, which under the address sanitizer ends the process where others throw.
  const auto take = [] {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    if (::mmap(nullptr, std::size_t{1} << 30, PROT_NONE, flags, -1, 0) == MAP_FAILED) {
      throw std::bad_alloc();
    }
  };
  const ChildEnd end = run_in_child(take, limits);
  EXPECT_EQ(end.death, "needed more than 64.0 MiB of memory");
}

TEST(ChildProcess, WorkWithoutEndIsEnded) {
  ChildLimits limits;
  limits.seconds = 1;
  volatile bool forever = true;
  const ChildEnd end = run_in_child(
      [&] {
        while (forever) {
        }
      },
      limits);
  EXPECT_EQ(end.death, "did not come to an end in 1 s");
}

TEST(ChildProcess, PrintsNothing) {
  testing::internal::CaptureStderr();
  const ChildEnd end = run_in_child([] { log::error("from the child"); });
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
  EXPECT_THAT(end.death, IsEmpty());
}

}  // namespace
}  // namespace elbow
