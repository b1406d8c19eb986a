// The backend over NCCL, for device tensors.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <source_location>
#include <thread>
#include <vector>

#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>
#include <nccl.h>

#include "base/error.h"
#include "base/log.h"
#include "trainer/comm/communicator.h"
#include "trainer/comm/together.h"
#include "trainer/comm/watch/watchdog.h"

namespace elbow {
namespace {

std::string failure(const char* operation, const std::source_location& where, const char* reason,
                    const char* advice) {
  return fmt::format("{} failed ({}:{}): {}; {}", operation, where.file_name(), where.line(),
                     reason, advice);
}

const char* advice(ncclResult_t code) {
  switch (code) {
    case ncclRemoteError:
      return "another rank may have died: see its message";
    case ncclSystemError:
      return "the network or shared memory: look at /dev/shm, name the network with "
             "NCCL_SOCKET_IFNAME, and NCCL_DEBUG=WARN says more";
    case ncclUnhandledCudaError:
      return "the driver or the device: see whether nvidia-smi finds it in order and its memory "
             "free, and NCCL_DEBUG=WARN says more";
    case ncclInvalidUsage:
      return "each rank needs a device of its own: start no more ranks on a machine than it has; "
             "NCCL_DEBUG=WARN says more";
    default:
      return "NCCL_DEBUG=WARN says more; please report it";
  }
}

void check(ncclResult_t code, const char* operation,
           const std::source_location& where = std::source_location::current()) {
  if (code == ncclSuccess) return;
  const std::string detail = ncclGetLastError(nullptr);
  const std::string reason = ncclGetErrorString(code) + (detail.empty() ? "" : " (" + detail + ")");
  throw CommError(failure(operation, where, reason.c_str(), advice(code)));
}

void check(cudaError_t code, const char* operation,
           const std::source_location& where = std::source_location::current()) {
  if (code == cudaSuccess) return;
  throw CommError(
      failure(operation, where, cudaGetErrorString(code),
              "an earlier operation on the device may be the cause: "
              "CUDA_LAUNCH_BLOCKING=1 shows which; 'elbow doctor' looks at the device"));
}

ncclDataType_t datatype(const torch::Tensor& tensor) {
  switch (element_type(tensor)) {
    case ElementType::kFloat:
      return ncclFloat;
    case ElementType::kDouble:
      return ncclDouble;
    case ElementType::kInt64:
      return ncclInt64;
    case ElementType::kUint8:
      return ncclUint8;
  }
  return ncclNumTypes;
}

// NCCL counts with size_t: nothing is ever sent in pieces.
std::size_t count(const torch::Tensor& tensor) { return static_cast<std::size_t>(tensor.numel()); }

bool is_on_device(const torch::Tensor& tensor) { return tensor.defined() && tensor.is_cuda(); }

// A point in a stream of the current device.
class Event {
 public:
  explicit Event(const c10::cuda::CUDAStream& stream) {
    check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreate");
    const cudaError_t code = cudaEventRecord(event_, stream);
    if (code == cudaSuccess) return;
    destroy();
    check(code, "cudaEventRecord");
  }
  ~Event() { destroy(); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // What is given to `stream` from now on begins after the event.
  void hold(const c10::cuda::CUDAStream& stream) const {
    check(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent");
  }
  bool passed() const {
    const cudaError_t code = cudaEventQuery(event_);
    if (code != cudaErrorNotReady) {
      check(code, "cudaEventQuery");
      return true;
    }
    // Or LibTorch, which asks for the last error after each kernel, would take it for the kernel's.
    static_cast<void>(cudaGetLastError());
    return false;
  }

 private:
  void destroy() {
    const cudaError_t code = cudaEventDestroy(event_);
    if (code != cudaSuccess) log::warning("cudaEventDestroy: {}", cudaGetErrorString(code));
  }

  cudaEvent_t event_ = nullptr;
};

class NcclCommunicator : public Communicator {
 public:
  explicit NcclCommunicator(Communicator& host) : host_(host) {
    ncclUniqueId id;
    torch::Tensor bytes = torch::zeros({static_cast<std::int64_t>(sizeof id)}, torch::kByte);
    together(host_, [&] {
      choose_device();
      if (rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    });
    if (rank() == 0) std::memcpy(bytes.data_ptr(), &id, sizeof id);
    host_.broadcast(bytes, 0);
    std::memcpy(&id, bytes.data_ptr(), sizeof id);
    join(id);
  }

  // NCCL ends before MPI, which is the host communicator's.
  ~NcclCommunicator() override {
    if (comm_ == nullptr) return;
    ncclResult_t state = ncclSuccess;
    ncclResult_t code = ncclCommGetAsyncError(comm_, &state);
    // With an error on the way, an orderly end would wait for ranks that may be gone.
    code =
        code == ncclSuccess && state == ncclSuccess ? ncclCommDestroy(comm_) : ncclCommAbort(comm_);
    if (code != ncclSuccess) {
      log::warning("NCCL did not shut down cleanly: {}", ncclGetErrorString(code));
    }
  }

  int rank() const override { return host_.rank(); }
  int size() const override { return host_.size(); }
  int local_rank() const override { return host_.local_rank(); }

  void all_reduce(torch::Tensor& tensor, Reduction reduction) override {
    if (!is_on_device(tensor)) return host_.all_reduce(tensor, reduction);
    const auto guard = begin(Collective::kAllReduce, tensor, static_cast<int>(reduction));
    post_all_reduce(tensor, reduction, current_stream());
  }

  // On a stream of its own, so that it goes on beside what the caller has the device do.
  Request start_all_reduce(torch::Tensor& tensor, Reduction reduction) override {
    if (!is_on_device(tensor)) return host_.start_all_reduce(tensor, reduction);
    const auto guard = begin(Collective::kStartAllReduce, tensor, static_cast<int>(reduction));
    Event(current_stream()).hold(*background_);
    post_all_reduce(tensor, reduction, *background_);
    const auto call = collective_call(Collective::kStartAllReduce, tensor);
    return Request([this, call, done = std::make_shared<Event>(*background_), tensor] {
      wait_for(call, *done);
    });
  }

  void broadcast(torch::Tensor& tensor, int root) override {
    if (!is_on_device(tensor)) return host_.broadcast(tensor, root);
    const auto guard = begin(Collective::kBroadcast, tensor, root);
    if (tensor.numel() == 0) return;
    check(ncclBroadcast(tensor.data_ptr(), tensor.data_ptr(), count(tensor), datatype(tensor), root,
                        comm_, current_stream()),
          "ncclBroadcast");
  }

  torch::Tensor all_gather(const torch::Tensor& tensor) override {
    if (!is_on_device(tensor)) return host_.all_gather(tensor);
    const auto guard = begin(Collective::kAllGather, tensor);
    auto shape = tensor.sizes().vec();
    shape.insert(shape.begin(), size());
    torch::Tensor gathered = torch::empty(shape, tensor.options());
    if (tensor.numel() == 0) return gathered;
    check(ncclAllGather(tensor.data_ptr(), gathered.data_ptr(), count(tensor), datatype(tensor),
                        comm_, current_stream()),
          "ncclAllGather");
    return gathered;
  }

  void all_to_all(std::span<const torch::Tensor> send, std::span<torch::Tensor> receive) override {
    const auto none_on_device = [](std::span<const torch::Tensor> tensors) {
      return std::none_of(tensors.begin(), tensors.end(), is_on_device);
    };
    if (none_on_device(send) && none_on_device(receive)) return host_.all_to_all(send, receive);
    require_count(send, receive);
    for (const auto tensors : {send, std::span<const torch::Tensor>(receive)}) {
      for (const torch::Tensor& tensor : tensors) {
        require_device_contiguous(tensor);
        collective_call(Collective::kAllToAll, tensor);
      }
    }
    const auto guard = begin(Collective::kAllToAll, send[0].flatten().narrow(0, 0, 0));
    require_equal_sizes(send, receive);
    exchange(send, receive);
  }

  void barrier() override { host_.barrier(); }
  void require_match(const CollectiveCall& call) override { host_.require_match(call); }
  Watchdog* watchdog() override { return host_.watchdog(); }
  [[noreturn]] void abort(int exit_code) override {
    host_.abort(exit_code);
    std::_Exit(exit_code);
  }

 private:
  void choose_device() {
    const int devices = device_count();
    if (devices == 0) {
      throw CommError(
          "there is no GPU that this build can use: 'elbow doctor' says why; without one, train on "
          "the processor");
    }
    device_ = torch::Device(torch::kCUDA, static_cast<torch::DeviceIndex>(local_rank() % devices));
    check(cudaSetDevice(device_.index()), "cudaSetDevice");
    background_ = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device_.index());
  }

  // The others wait inside NCCL for a rank that fails here, and cannot be told: the job ends.
  void join(const ncclUniqueId& id) {
    try {
      check(ncclCommInitRank(&comm_, size(), id, rank()), "ncclCommInitRank");
    } catch (const CommError& error) {
      if (size() == 1) throw;
      log::error("{}", error.what());
      abort(static_cast<int>(error.code()));
    }
  }

  c10::cuda::CUDAStream current_stream() const {
    return c10::cuda::getCurrentCUDAStream(device_.index());
  }

  // What every collective on the device begins with. The ranks agree on it by way of the host;
  // whose device is the current one is put back at the end.
  c10::cuda::CUDAGuard begin(Collective collective, const torch::Tensor& tensor, int detail = 0) {
    require_device_contiguous(tensor);
    host_.require_match(collective_call(collective, tensor, detail));
    require_sound();
    return c10::cuda::CUDAGuard(device_);
  }

  void require_device_contiguous(const torch::Tensor& tensor) const {
    if (is_on_device(tensor) && tensor.device() == device_ && tensor.is_contiguous()) return;
    throw CommError(fmt::format(
        "a collective needs contiguous tensors, all of them on the host or on this rank's {}",
        device_.str()));
  }

  void require_count(std::span<const torch::Tensor> send,
                     std::span<const torch::Tensor> receive) const {
    const auto ranks = static_cast<std::size_t>(size());
    if (send.size() == ranks && receive.size() == ranks) return;
    throw CommError("all_to_all needs a tensor for each rank, both ways");
  }

  // Both ends of each pair, before anything is sent.
  void require_equal_sizes(std::span<const torch::Tensor> send,
                           std::span<const torch::Tensor> receive) {
    torch::Tensor outgoing = torch::zeros({size(), 1}, torch::kLong);
    torch::Tensor expected = torch::zeros({size(), 1}, torch::kLong);
    for (int r = 0; r < size(); ++r) {
      outgoing.data_ptr<std::int64_t>()[r] = send[static_cast<std::size_t>(r)].numel();
      expected.data_ptr<std::int64_t>()[r] = receive[static_cast<std::size_t>(r)].numel();
    }
    torch::Tensor incoming = torch::zeros_like(outgoing);
    std::vector<torch::Tensor> into = incoming.unbind();
    host_.all_to_all(outgoing.unbind(), into);
    torch::Tensor wrong = (incoming != expected).any().to(torch::kLong).view({1});
    host_.all_reduce(wrong, Reduction::kMax);
    if (wrong.item<std::int64_t>() != 0) {
      throw SharedError("all_to_all: what is sent and what is received differ in size",
                        ExitCode::kCommunication);
    }
  }

  void post_all_reduce(torch::Tensor& tensor, Reduction reduction,
                       const c10::cuda::CUDAStream& stream) {
    if (tensor.numel() == 0) return;
    check(ncclAllReduce(tensor.data_ptr(), tensor.data_ptr(), count(tensor), datatype(tensor),
                        reduction == Reduction::kSum ? ncclSum : ncclMax, comm_, stream),
          "ncclAllReduce");
  }

  // One group, so that no rank waits for another to send first. A group that was begun is ended,
  // whatever happens in it.
  void exchange(std::span<const torch::Tensor> send, std::span<torch::Tensor> receive) {
    const c10::cuda::CUDAStream stream = current_stream();
    check(ncclGroupStart(), "ncclGroupStart");
    ncclResult_t code = ncclSuccess;
    for (int r = 0; r < size() && code == ncclSuccess; ++r) {
      const torch::Tensor& outgoing = send[static_cast<std::size_t>(r)];
      const torch::Tensor& incoming = receive[static_cast<std::size_t>(r)];
      if (outgoing.numel() > 0) {
        code = ncclSend(outgoing.data_ptr(), count(outgoing), datatype(outgoing), r, comm_, stream);
      }
      if (incoming.numel() > 0 && code == ncclSuccess) {
        code = ncclRecv(incoming.data_ptr(), count(incoming), datatype(incoming), r, comm_, stream);
      }
    }
    const ncclResult_t ended = ncclGroupEnd();
    check(code, "ncclSend or ncclRecv");
    check(ended, "ncclGroupEnd");
  }

  // How long it may take is the watchdog's to say.
  void wait_for(const CollectiveCall& call, const Event& done) {
    Watchdog* const watchdog = host_.watchdog();
    const auto inside = watchdog ? std::optional(watchdog->enter_again(call)) : std::nullopt;
    while (!done.passed()) {
      require_sound();
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }

  // What went wrong since, elsewhere or on the network, is thrown here.
  void require_sound() {
    if (comm_ == nullptr) throw CommError("NCCL was given up after an error; start again");
    ncclResult_t state = ncclSuccess;
    check(ncclCommGetAsyncError(comm_, &state), "ncclCommGetAsyncError");
    if (state == ncclSuccess) return;
    give_up();
    check(state, "a collective of NCCL");
  }

  // Ends what runs on the device, which would wait for ever.
  void give_up() {
    const ncclResult_t code = ncclCommAbort(std::exchange(comm_, nullptr));
    if (code != ncclSuccess) log::warning("ncclCommAbort: {}", ncclGetErrorString(code));
  }

  Communicator& host_;
  torch::Device device_{torch::kCUDA};
  std::optional<c10::cuda::CUDAStream> background_;
  ncclComm_t comm_ = nullptr;
};

}  // namespace

int device_count() { return c10::cuda::device_count(); }

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host) {
  return std::make_unique<NcclCommunicator>(host);
}

}  // namespace elbow
