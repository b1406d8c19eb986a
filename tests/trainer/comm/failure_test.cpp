#include "trainer/comm/failure.h"

#include <cerrno>
#include <filesystem>
#include <new>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

namespace elbow {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

template <typename Thrown>
Failure failure_of(const Thrown& thrown) {
  try {
    throw thrown;
  } catch (const std::exception&) {
    return current_failure();
  }
}

TEST(Failure, IsSaidByItsKind) {
  const Failure data = failure_of(DataError("no such file"));
  EXPECT_EQ(data.code, ExitCode::kData);
  EXPECT_EQ(data.message, "no such file");
  EXPECT_EQ(failure_of(std::runtime_error("x")).message, "unexpected error: x");
  EXPECT_EQ(failure_of(std::runtime_error("x")).code, ExitCode::kFailed);
  EXPECT_THAT(failure_of(std::bad_alloc()).message, StartsWith("out of memory; "));
  const std::error_code stale(ESTALE, std::generic_category());
  EXPECT_EQ(failure_of(std::filesystem::filesystem_error("status", "run/a.h5", stale)).message,
            "cannot access run/a.h5: Stale file handle");
}

// More than any machine has.
TEST(Failure, OfLibTorch) {
  try {
    torch::empty({std::int64_t{1} << 50}, torch::kByte);
    FAIL() << "a pebibyte was allocated";
  } catch (const std::exception&) {
    EXPECT_THAT(current_failure().message,
                StartsWith("out of memory: 1024.0 TiB were asked for at once, and "));
  }
  try {
    torch::zeros({2, 3}).matmul(torch::zeros({2, 3}));
    FAIL() << "the shapes do not fit";
  } catch (const std::exception&) {
    EXPECT_THAT(current_failure().message,
                AllOf(StartsWith("LibTorch: mat1 and mat2"), testing::Not(HasSubstr("frame #0"))));
  }
}

TEST(Failure, OfMemorySaysWhatWasAskedForAndWhatHelps) {
  EXPECT_THAT(
      memory_problem("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't "
                     "allocate memory: you tried to allocate 3221225472 bytes. Error code 12 "
                     "(Cannot allocate memory)"),
      AllOf(StartsWith("out of memory: 3.0 GiB were asked for at once, and "),
            HasSubstr(" are available; "), HasSubstr("model.widths"), HasSubstr("--dry-run")));
  EXPECT_THAT(memory_problem("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has\nmore"),
              AllOf(StartsWith("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has; "),
                    HasSubstr("smaller batch")));
  EXPECT_EQ(memory_problem("mat1 and mat2 shapes cannot be multiplied"), "");
  EXPECT_EQ(memory_problem("you tried to allocate many bytes"), "");
}

}  // namespace
}  // namespace elbow
