// In place of nccl.cpp in a build for processors.
#include "trainer/comm/communicator.h"
#include "trainer/comm/together.h"

namespace elbow {

int device_count() { return 0; }

std::unique_ptr<Communicator> make_nccl_communicator(Communicator&) {
  throw SharedError(
      "this build has no NCCL: for GPUs run launch/setup --cuda, then cmake --preset cuda && cmake "
      "--build --preset cuda",
      ExitCode::kUsage);
}

}  // namespace elbow
