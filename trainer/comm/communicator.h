// How ranks speak to each other: one small interface, a backend per transport.
//
// A rank is a process. Every method but rank(), size(), local_rank() and abort() is a collective:
// all ranks call it in the same order with tensors of the same shape and type. Ranks that don't are
// told so before any value is exchanged (all throw a SharedError naming what each of them called).
// Tensors are contiguous; float, double, int64 and uint8; on the host, or on a device where the
// backend says so. Other errors throw CommError. One thread at a time may call.
//
// On a device a collective joins the caller's current stream, as LibTorch's operations do, and
// returns before it is done; barrier() waits for ranks, not for their devices.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <torch/types.h>

#include "trainer/comm/watch/collective_call.h"

namespace elbow {

class Watchdog;

enum class Reduction { kSum, kMax };

// Both throw CommError for a type that cannot be sent, before the other ranks are involved.
ElementType element_type(const torch::Tensor& tensor);
CollectiveCall collective_call(Collective collective, const torch::Tensor& tensor, int detail = 0);

// A collective in flight. The tensors that it was started with must neither be read nor written,
// nor go away, before wait() has returned. Move-only.
class Request {
 public:
  Request() = default;  // nothing in flight
  explicit Request(std::function<void()> wait) : wait_(std::move(wait)) {}
  ~Request();  // waits; an error is logged
  Request(Request&& other) noexcept : wait_(std::exchange(other.wait_, nullptr)) {}
  Request& operator=(Request&& other) = delete;

  // Returns once the result is there. Throws CommError. A second call does nothing.
  void wait();

 private:
  std::function<void()> wait_;
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual int local_rank() const = 0;  // among the ranks of this host

  // In place, over all ranks.
  virtual void all_reduce(torch::Tensor& tensor, Reduction reduction) = 0;
  // The same, going on while the caller does something else.
  virtual Request start_all_reduce(torch::Tensor& tensor, Reduction reduction) = 0;
  // In place, from `root` to the others.
  virtual void broadcast(torch::Tensor& tensor, int root) = 0;
  // [size, ...tensor's shape], in the order of ranks.
  virtual torch::Tensor all_gather(const torch::Tensor& tensor) = 0;
  // `send` and `receive` hold a tensor for each rank: send[r] goes to rank r, and what rank r sends
  // here fills receive[r]. Sizes may differ from pair to pair, and be 0, but both ends must agree.
  virtual void all_to_all(std::span<const torch::Tensor> send,
                          std::span<torch::Tensor> receive) = 0;
  virtual void barrier() = 0;

  // What every collective begins with: throws a SharedError on all ranks unless all of them are
  // about to make the same call. A backend that rests on another one leaves it to that one.
  virtual void require_match(const CollectiveCall& call) = 0;

  // Who watches over this rank's waits; null where nobody does. It lives as long as the
  // communicator.
  virtual Watchdog* watchdog() { return nullptr; }

  // Ends the whole job at once with this exit code.
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

// Throws CommError unless the tensor is one that a collective takes.
void require_host_contiguous(const torch::Tensor& tensor, const char* operation);
void require_one_each(std::span<const torch::Tensor> send, std::span<const torch::Tensor> receive,
                      int size);

// Elements that one call of MPI may count, with an int; longer tensors go in pieces.
inline constexpr std::int64_t kLargestPiece = std::int64_t{1} << 30;

// One process alone: sums are what they are.
std::unique_ptr<Communicator> make_single_communicator();

// Over MPI_COMM_WORLD. It owns MPI's lifetime: construct it once, early in main, and destroy it
// last; the thread that constructs it makes every call.
std::unique_ptr<Communicator> make_mpi_communicator(std::int64_t largest_piece = kLargestPiece);

// Devices that this build and its driver can use here; 0 in a build without NCCL.
int device_count();

// Device tensors over NCCL, everything else over `host`, which starts it and outlives it: rank r
// of a machine takes its device r modulo device_count() and makes it the current one. Collective.
// Throws SharedError where a rank finds no device, and in a build without NCCL. The thread that
// constructs it makes every call; requests end before it does.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host);

// Whether this process was started by a launcher (mpirun, srun with PMIx): read from the
// environment, since asking MPI would start it. Who a rank is comes from MPI, never from here.
bool started_by_launcher();

// How many ranks the launcher meant to start, as far as its environment says: mpirun, a PMI, srun
// (its step's tasks, not the allocation's: a smaller mpirun inside one is legitimate).
std::optional<std::int64_t> ranks_meant_by_launcher();

// The communicator that fits how this process was started. A launcher and an MPI that don't belong
// together start N processes that each believe to be the whole job: that throws CommError.
std::unique_ptr<Communicator> make_communicator(std::int64_t largest_piece = kLargestPiece);

}  // namespace elbow
