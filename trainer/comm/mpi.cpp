// The backend over MPI.
#include <climits>
#include <cstdlib>
#include <source_location>
#include <string>

#include <mpi.h>

#include "base/error.h"
#include "base/log.h"
#include "trainer/comm/communicator.h"

namespace elbow {
namespace {

// Counts in MPI are int: longer tensors go in pieces of this many elements.
constexpr std::int64_t kLargestCount = INT_MAX / 2;

int world_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

void check(int code, const char* operation,
           const std::source_location& where = std::source_location::current()) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw CommError(
      fmt::format("[rank {}] {} failed ({}:{}): {}; another rank may have died: see its message",
                  world_rank(), operation, where.file_name(), where.line(), text));
}

MPI_Datatype datatype(const torch::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case torch::kFloat:
      return MPI_FLOAT;
    case torch::kDouble:
      return MPI_DOUBLE;
    case torch::kLong:
      return MPI_INT64_T;
    case torch::kByte:
      return MPI_UINT8_T;
    default:
      throw CommError(
          fmt::format("no collective for tensors of type {}", c10::toString(tensor.scalar_type())));
  }
}

MPI_Op operation(Reduction reduction) { return reduction == Reduction::kSum ? MPI_SUM : MPI_MAX; }

// Calls piece(pointer, count) for successive pieces that an int can count.
template <typename Piece>
void in_pieces(const torch::Tensor& tensor, Piece piece) {
  auto* data = static_cast<std::byte*>(tensor.data_ptr());
  for (std::int64_t done = 0; done < tensor.numel(); done += kLargestCount) {
    const std::int64_t count = std::min(kLargestCount, tensor.numel() - done);
    piece(data + done * static_cast<std::int64_t>(tensor.element_size()), static_cast<int>(count));
  }
}

class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator() {
    // Funneled: the thread that constructs the communicator makes every call.
    int provided = 0;
    const int code = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    if (code != MPI_SUCCESS) throw CommError("MPI could not be started");
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
    MPI_Comm host = MPI_COMM_NULL;
    check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host),
          "MPI_Comm_split_type");
    check(MPI_Comm_rank(host, &local_rank_), "MPI_Comm_rank");
    check(MPI_Comm_free(&host), "MPI_Comm_free");
  }

  ~MpiCommunicator() override {
    if (MPI_Finalize() != MPI_SUCCESS) log::warning("MPI did not shut down cleanly");
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }

  void all_reduce(torch::Tensor& tensor, Reduction reduction) override {
    require_host_contiguous(tensor, "all_reduce");
    in_pieces(tensor, [&](void* data, int count) {
      check(MPI_Allreduce(MPI_IN_PLACE, data, count, datatype(tensor), operation(reduction),
                          MPI_COMM_WORLD),
            "MPI_Allreduce");
    });
  }

  void broadcast(torch::Tensor& tensor, int root) override {
    require_host_contiguous(tensor, "broadcast");
    in_pieces(tensor, [&](void* data, int count) {
      check(MPI_Bcast(data, count, datatype(tensor), root, MPI_COMM_WORLD), "MPI_Bcast");
    });
  }

  torch::Tensor all_gather(const torch::Tensor& tensor) override {
    require_host_contiguous(tensor, "all_gather");
    if (tensor.numel() > kLargestCount) throw CommError("all_gather: tensor too large");
    auto shape = tensor.sizes().vec();
    shape.insert(shape.begin(), size_);
    torch::Tensor gathered = torch::empty(shape, tensor.options());
    const int count = static_cast<int>(tensor.numel());
    check(MPI_Allgather(tensor.data_ptr(), count, datatype(tensor), gathered.data_ptr(), count,
                        datatype(tensor), MPI_COMM_WORLD),
          "MPI_Allgather");
    return gathered;
  }

  void barrier() override { check(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier"); }

  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator() {
  return std::make_unique<MpiCommunicator>();
}

}  // namespace elbow
