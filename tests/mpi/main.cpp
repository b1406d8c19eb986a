// Runs a test program's cases on every rank alike. A case that fails on one rank fails the program.
#include <filesystem>

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "tests/base/temporary_folder.h"
#include "tests/mpi/ranks.h"
#include "trainer/comm/together.h"

namespace elbow::test {
namespace {

Communicator* all_ranks = nullptr;
std::string folder;

}  // namespace

Communicator& ranks() { return *all_ranks; }
const std::string& shared_folder() { return folder; }

}  // namespace elbow::test

int main(int argc, char** argv) {
  using namespace elbow;
  testing::InitGoogleTest(&argc, argv);
  torch::set_num_threads(1);
  // Pieces so short that most tensors need several.
  const auto comm = make_communicator(1000);
  std::unique_ptr<TemporaryFolder> made;
  if (comm->rank() == 0) made = std::make_unique<TemporaryFolder>();
  test::all_ranks = comm.get();
  test::folder = broadcast_text(*comm, made ? made->path().string() : "", 0);
  int result = RUN_ALL_TESTS();
  torch::Tensor failed = torch::full({1}, std::int64_t{result}, torch::kLong);
  comm->all_reduce(failed, Reduction::kMax);
  return failed.item<int>();
}
