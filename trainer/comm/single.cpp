// The backend of a process alone.
#include <cstdlib>

#include "base/error.h"
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
  Request start_all_reduce(torch::Tensor& tensor, Reduction reduction) override {
    all_reduce(tensor, reduction);
    return {};
  }
  void broadcast(torch::Tensor& tensor, int) override {
    require_host_contiguous(tensor, "broadcast");
  }
  torch::Tensor all_gather(const torch::Tensor& tensor) override {
    require_host_contiguous(tensor, "all_gather");
    return tensor.unsqueeze(0).clone();
  }
  void all_to_all(std::span<const torch::Tensor> send, std::span<torch::Tensor> receive) override {
    require_one_each(send, receive, 1);
    if (send[0].numel() != receive[0].numel()) {
      throw CommError("all_to_all: what is sent and what is received differ in size");
    }
    receive[0].copy_(send[0].view_as(receive[0]));
  }
  void barrier() override {}
  void require_match(const CollectiveCall&) override {}

  [[noreturn]] void abort(int exit_code) override { std::_Exit(exit_code); }
};

}  // namespace

std::unique_ptr<Communicator> make_single_communicator() {
  return std::make_unique<SingleCommunicator>();
}

}  // namespace elbow
