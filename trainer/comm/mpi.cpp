// The backend over MPI.
#include <algorithm>
#include <cstdlib>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include <mpi.h>

#include "base/error.h"
#include "base/log.h"
#include "trainer/comm/communicator.h"
#include "trainer/comm/together.h"
#include "trainer/comm/watch/watchdog.h"

namespace elbow {
namespace {

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
  switch (element_type(tensor)) {
    case ElementType::kFloat:
      return MPI_FLOAT;
    case ElementType::kDouble:
      return MPI_DOUBLE;
    case ElementType::kInt64:
      return MPI_INT64_T;
    case ElementType::kUint8:
      return MPI_UINT8_T;
  }
  return MPI_DATATYPE_NULL;
}

MPI_Op operation(Reduction reduction) { return reduction == Reduction::kSum ? MPI_SUM : MPI_MAX; }

class MpiCommunicator : public Communicator {
 public:
  explicit MpiCommunicator(std::int64_t largest_piece) : largest_piece_(largest_piece) {
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
    int local_size = 1;
    check(MPI_Comm_size(host, &local_size), "MPI_Comm_size");
    check(MPI_Comm_free(&host), "MPI_Comm_free");
    if (size_ > 1) start_watchdog(local_size == size_);
  }

  ~MpiCommunicator() override {
    end_together();
    const auto inside = enter({Collective::kEnd}, calls_ + 1, "MPI_Finalize, after ");
    if (MPI_Finalize() != MPI_SUCCESS) log::warning("MPI did not shut down cleanly");
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }

  void all_reduce(torch::Tensor& tensor, Reduction reduction) override {
    require_host_contiguous(tensor, "all_reduce");
    const auto inside =
        begin(collective_call(Collective::kAllReduce, tensor, static_cast<int>(reduction)));
    in_pieces(tensor, [&](void* data, int count) {
      check(MPI_Allreduce(MPI_IN_PLACE, data, count, datatype(tensor), operation(reduction),
                          MPI_COMM_WORLD),
            "MPI_Allreduce");
    });
  }

  Request start_all_reduce(torch::Tensor& tensor, Reduction reduction) override {
    require_host_contiguous(tensor, "start_all_reduce");
    const CollectiveCall call =
        collective_call(Collective::kStartAllReduce, tensor, static_cast<int>(reduction));
    const auto inside = begin(call);
    std::vector<MPI_Request> requests;
    in_pieces(tensor, [&](void* data, int count) {
      check(MPI_Iallreduce(MPI_IN_PLACE, data, count, datatype(tensor), operation(reduction),
                           MPI_COMM_WORLD, &requests.emplace_back()),
            "MPI_Iallreduce");
    });
    return Request([this, call, requests = std::move(requests), tensor]() mutable {
      const auto inside = watchdog_ ? std::optional(watchdog_->enter_again(call)) : std::nullopt;
      wait_all(requests);
    });
  }

  void broadcast(torch::Tensor& tensor, int root) override {
    require_host_contiguous(tensor, "broadcast");
    const auto inside = begin(collective_call(Collective::kBroadcast, tensor, root));
    in_pieces(tensor, [&](void* data, int count) {
      check(MPI_Bcast(data, count, datatype(tensor), root, MPI_COMM_WORLD), "MPI_Bcast");
    });
  }

  torch::Tensor all_gather(const torch::Tensor& tensor) override {
    require_host_contiguous(tensor, "all_gather");
    const auto inside = begin(collective_call(Collective::kAllGather, tensor));
    if (tensor.numel() > largest_piece_) throw CommError("all_gather: tensor too large");
    auto shape = tensor.sizes().vec();
    shape.insert(shape.begin(), size_);
    torch::Tensor gathered = torch::empty(shape, tensor.options());
    const int count = static_cast<int>(tensor.numel());
    check(MPI_Allgather(tensor.data_ptr(), count, datatype(tensor), gathered.data_ptr(), count,
                        datatype(tensor), MPI_COMM_WORLD),
          "MPI_Allgather");
    return gathered;
  }

  void all_to_all(std::span<const torch::Tensor> send, std::span<torch::Tensor> receive) override {
    require_one_each(send, receive, size_);
    const auto inside =
        begin(collective_call(Collective::kAllToAll, send[0].flatten().narrow(0, 0, 0)));
    require_equal_sizes(send, receive);
    std::vector<MPI_Request> requests;
    for (int step = 0; step < size_; ++step) {
      const int to = (rank_ + step) % size_;
      const int from = (rank_ - step + size_) % size_;
      torch::Tensor& incoming = receive[static_cast<std::size_t>(from)];
      const torch::Tensor& outgoing = send[static_cast<std::size_t>(to)];
      if (step == 0) {
        incoming.copy_(outgoing.view_as(incoming));
        continue;
      }
      in_pieces(incoming, [&](void* data, int count) {
        check(MPI_Irecv(data, count, datatype(incoming), from, 0, MPI_COMM_WORLD,
                        &requests.emplace_back()),
              "MPI_Irecv");
      });
      in_pieces(outgoing, [&](void* data, int count) {
        check(MPI_Isend(data, count, datatype(outgoing), to, 0, MPI_COMM_WORLD,
                        &requests.emplace_back()),
              "MPI_Isend");
      });
    }
    wait_all(requests);
  }

  void barrier() override {
    const auto inside = begin({Collective::kBarrier});
    check(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier");
  }

  void require_match(const CollectiveCall& call) override { const auto inside = begin(call); }

  Watchdog* watchdog() override { return watchdog_ ? &*watchdog_ : nullptr; }

  [[noreturn]] void abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  // Rank 0 listens where the others reach it; on the loopback interface when all are on one host.
  // Not by the collectives below, which the watchdog is there to watch.
  void start_watchdog(bool one_host) {
    const HostAddresses mine = one_host ? HostAddresses{} : host_addresses();
    std::vector<HostAddresses> all(static_cast<std::size_t>(size_));
    check(MPI_Gather(&mine, sizeof mine, MPI_BYTE, all.data(), sizeof mine, MPI_BYTE, 0,
                     MPI_COMM_WORLD),
          "MPI_Gather");
    WatchInvitation invitation;
    std::unique_ptr<WatchListener> listener;
    if (rank_ == 0) {
      if (one_host) all.clear();
      try {
        listener = std::make_unique<WatchListener>(all);
        invitation = listener->invitation();
      } catch (const CommError& error) {
        log::warning("no watchdog ({}): a hang is not noticed", error.what());
      }
    }
    check(MPI_Bcast(&invitation, sizeof invitation, MPI_BYTE, 0, MPI_COMM_WORLD), "MPI_Bcast");
    const bool listening = invitation.ports.front() != 0;
    if (listening) watchdog_.emplace(rank_, size_, invitation, std::move(listener));
  }

  // While the result lives, the watchdog sees this rank in the call.
  std::optional<Watchdog::Inside> enter(const CollectiveCall& what, std::int64_t call,
                                        const char* prefix = "") {
    return watchdog_ ? std::optional(watchdog_->enter(call, what, prefix)) : std::nullopt;
  }

  std::optional<Watchdog::Inside> begin(const CollectiveCall& call) {
    auto inside = enter(call, ++calls_);
    compare(call);
    return inside;
  }

  // Every collective begins with this one, which is the same whatever the collective: ranks that
  // would meet in different ones, or that have made a different number of calls, find out here. All
  // of them throw, so the job ends in good order.
  void compare(const CollectiveCall& call) {
    if (size_ == 1) return;
    constexpr int kParts = 4;
    const std::int64_t mine[kParts] = {
        calls_, static_cast<std::int64_t>(call.collective) * 2 + (call.on_device ? 1 : 0),
        call.elements, static_cast<std::int64_t>(call.type) * 1000003 + call.detail};
    std::int64_t extremes[2 * kParts];  // the greatest and, negated, the least
    for (int i = 0; i < kParts; ++i) {
      extremes[i] = mine[i];
      extremes[kParts + i] = -mine[i];
    }
    check(MPI_Allreduce(MPI_IN_PLACE, extremes, 2 * kParts, MPI_INT64_T, MPI_MAX, MPI_COMM_WORLD),
          "MPI_Allreduce");
    for (int i = 0; i < kParts; ++i) {
      if (extremes[i] != -extremes[kParts + i]) refuse_mismatch(call);
    }
  }

  // A rank that has left out the last collectives would wait for the others' end, and they for it.
  void end_together() {
    if (mismatched_) return;  // said already
    try {
      require_match({Collective::kEnd});
    } catch (const std::exception& error) {
      if (rank_ == 0) log::error("{}", error.what());
      abort(static_cast<int>(ExitCode::kCommunication));
    }
  }

  [[noreturn]] void refuse_mismatch(const CollectiveCall& call) {
    mismatched_ = true;
    constexpr int kLength = 96;
    const std::string text = fmt::format("{}, its call {}", call.text(), calls_);
    std::vector<char> mine(kLength, '\0');
    std::copy_n(text.begin(), std::min<std::size_t>(text.size(), kLength - 1), mine.begin());
    std::vector<char> all(static_cast<std::size_t>(kLength) * static_cast<std::size_t>(size_));
    check(MPI_Allgather(mine.data(), kLength, MPI_CHAR, all.data(), kLength, MPI_CHAR,
                        MPI_COMM_WORLD),
          "MPI_Allgather");
    std::string message = "the ranks called different collectives:";
    const std::string first = all.data();
    for (int rank = 0; rank < size_; ++rank) {
      const std::string other = all.data() + static_cast<std::ptrdiff_t>(kLength) * rank;
      if (rank == 0 || other != first) message += fmt::format(" rank {}: {};", rank, other);
    }
    throw SharedError(message +
                          " this is a fault of the program or of its surroundings, not of "
                          "the data: please report it",
                      ExitCode::kCommunication);
  }

  // Both ends of each pair, before anything is sent.
  void require_equal_sizes(std::span<const torch::Tensor> send,
                           std::span<const torch::Tensor> receive) const {
    const auto count = static_cast<std::size_t>(size_);
    std::vector<std::int64_t> outgoing(count);
    std::vector<std::int64_t> incoming(count);
    for (std::size_t r = 0; r < count; ++r) outgoing[r] = send[r].numel();
    check(MPI_Alltoall(outgoing.data(), 1, MPI_INT64_T, incoming.data(), 1, MPI_INT64_T,
                       MPI_COMM_WORLD),
          "MPI_Alltoall");
    // This rank's first disagreement: from, sent, expected.
    std::int64_t wrong[3] = {-1, 0, 0};
    for (std::size_t r = count; r-- > 0;) {
      if (incoming[r] == receive[r].numel()) continue;
      wrong[0] = static_cast<std::int64_t>(r);
      wrong[1] = incoming[r];
      wrong[2] = receive[r].numel();
    }
    std::vector<std::int64_t> all(3 * count);
    check(MPI_Allgather(wrong, 3, MPI_INT64_T, all.data(), 3, MPI_INT64_T, MPI_COMM_WORLD),
          "MPI_Allgather");
    for (std::size_t r = 0; r < count; ++r) {
      if (all[3 * r] < 0) continue;
      throw SharedError(
          fmt::format("all_to_all: rank {} sends {} elements to rank {}, which expects {}",
                      all[3 * r], all[3 * r + 1], r, all[3 * r + 2]),
          ExitCode::kCommunication);
    }
  }

  // Calls piece(pointer, count) for successive pieces that an int can count.
  template <typename Piece>
  void in_pieces(const torch::Tensor& tensor, Piece piece) const {
    auto* data = static_cast<std::byte*>(tensor.data_ptr());
    for (std::int64_t done = 0; done < tensor.numel(); done += largest_piece_) {
      const std::int64_t count = std::min(largest_piece_, tensor.numel() - done);
      piece(data + done * static_cast<std::int64_t>(tensor.element_size()),
            static_cast<int>(count));
    }
  }

  static void wait_all(std::vector<MPI_Request>& requests) {
    check(MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE),
          "MPI_Waitall");
  }

  std::int64_t largest_piece_;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  std::int64_t calls_ = 0;
  bool mismatched_ = false;
  std::optional<Watchdog> watchdog_;  // none for a rank alone; ends after MPI
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(std::int64_t largest_piece) {
  return std::make_unique<MpiCommunicator>(largest_piece);
}

}  // namespace elbow
