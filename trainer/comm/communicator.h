// How ranks speak to each other: one small interface, a backend per transport.
//
// A rank is a process. Every method but rank(), size() and abort() is a collective: all ranks call
// it in the same order with tensors of the same shape and type. Tensors are contiguous and on the
// host; float, double, int64 and uint8. Errors throw CommError. One thread at a time may call.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <torch/types.h>

namespace elbow {

enum class Reduction { kSum, kMax };

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual int local_rank() const = 0;  // among the ranks of this host

  // In place, over all ranks.
  virtual void all_reduce(torch::Tensor& tensor, Reduction reduction) = 0;
  // In place, from `root` to the others.
  virtual void broadcast(torch::Tensor& tensor, int root) = 0;
  // [size, ...tensor's shape], in the order of ranks.
  virtual torch::Tensor all_gather(const torch::Tensor& tensor) = 0;
  virtual void barrier() = 0;

  // Ends the whole job at once with this exit code.
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

// Throws CommError unless the tensor is one that a collective takes.
void require_host_contiguous(const torch::Tensor& tensor, const char* operation);

// One process alone: sums are what they are.
std::unique_ptr<Communicator> make_single_communicator();

// Over MPI_COMM_WORLD. It owns MPI's lifetime: construct it once, early in main, and destroy it
// last.
std::unique_ptr<Communicator> make_mpi_communicator();

// Whether this process was started by a launcher (mpirun, srun with PMIx): read from the
// environment, since asking MPI would start it. Who a rank is comes from MPI, never from here.
bool started_by_launcher();

// How many ranks the launcher meant to start, as far as its environment says: mpirun, a PMI, srun
// (its step's tasks, not the allocation's: a smaller mpirun inside one is legitimate).
std::optional<std::int64_t> ranks_meant_by_launcher();

// The communicator that fits how this process was started. A launcher and an MPI that don't belong
// together start N processes that each believe to be the whole job: that throws CommError.
std::unique_ptr<Communicator> make_communicator();

}  // namespace elbow
