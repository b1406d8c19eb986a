// Runs a test program's cases on every rank alike. A case that fails on one rank fails the program.
// With --device=cuda the communicator is NCCL's, and is tried on device tensors.
#include <cstdio>
#include <filesystem>

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "tests/base/temporary_folder.h"
#include "tests/mpi/ranks.h"
#include "trainer/comm/together.h"

namespace elbow::test {
namespace {

Communicator* all_ranks = nullptr;
bool on_gpu = false;
std::string folder;

}  // namespace

Communicator& ranks() { return *all_ranks; }
torch::Device device() { return on_gpu ? torch::kCUDA : torch::kCPU; }
const std::string& shared_folder() { return folder; }

namespace {

int run_all() {
  // Pieces so short that most tensors need several.
  const std::unique_ptr<Communicator> host = make_communicator(1000);
  std::unique_ptr<Communicator> nccl;
  if (on_gpu) nccl = make_nccl_communicator(*host);
  Communicator* const comm = on_gpu ? nccl.get() : host.get();
  std::unique_ptr<TemporaryFolder> made;
  if (comm->rank() == 0) made = std::make_unique<TemporaryFolder>();
  all_ranks = comm;
  folder = broadcast_text(*comm, made ? made->path().string() : "", 0);
  int result = RUN_ALL_TESTS();
  torch::Tensor failed = torch::full({1}, std::int64_t{result}, torch::kLong);
  comm->all_reduce(failed, Reduction::kMax);
  return failed.item<int>();
}

}  // namespace
}  // namespace elbow::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  torch::set_num_threads(1);
  elbow::test::on_gpu = argc > 1 && std::string(argv[1]) == "--device=cuda";
  try {
    return elbow::test::run_all();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
