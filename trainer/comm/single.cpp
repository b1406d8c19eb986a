// The backend of a process alone.
#include <cstdlib>

#include "trainer/comm/communicator.h"

namespace elbow {
namespace {

class SingleCommunicator : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int local_rank() const override { return 0; }

  void all_reduce(torch::Tensor& tensor, Reduction) override {
    require_host_contiguous(tensor, "all_reduce");
  }
  void broadcast(torch::Tensor& tensor, int) override {
    require_host_contiguous(tensor, "broadcast");
  }
  torch::Tensor all_gather(const torch::Tensor& tensor) override {
    require_host_contiguous(tensor, "all_gather");
    return tensor.unsqueeze(0).clone();
  }
  void barrier() override {}

  [[noreturn]] void abort(int exit_code) override { std::_Exit(exit_code); }
};

}  // namespace

std::unique_ptr<Communicator> make_single_communicator() {
  return std::make_unique<SingleCommunicator>();
}

}  // namespace elbow
