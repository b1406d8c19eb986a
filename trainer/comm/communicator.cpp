#include "trainer/comm/communicator.h"

#include <cstdlib>

#include "base/error.h"

namespace elbow {

void require_host_contiguous(const torch::Tensor& tensor, const char* operation) {
  if (!tensor.defined() || !tensor.device().is_cpu() || !tensor.is_contiguous()) {
    throw CommError(fmt::format("{} needs a contiguous tensor on the host", operation));
  }
}

bool started_by_launcher() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"}) {
    if (std::getenv(variable) != nullptr) return true;
  }
  return false;
}

std::unique_ptr<Communicator> make_communicator() {
  return started_by_launcher() ? make_mpi_communicator() : make_single_communicator();
}

}  // namespace elbow
