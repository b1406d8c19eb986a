// In place of nccl.cpp in a build for processors.
#include "base/error.h"
#include "trainer/comm/communicator.h"

namespace elbow {

int device_count() { return 0; }

std::unique_ptr<Communicator> make_nccl_communicator(std::unique_ptr<Communicator>) {
  throw CommError(
      "this build has no NCCL: for GPUs run launch/setup --cuda, then cmake --preset cuda && cmake "
      "--build --preset cuda");
}

}  // namespace elbow
