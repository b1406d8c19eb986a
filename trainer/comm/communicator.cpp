#include "trainer/comm/communicator.h"

#include <cstdlib>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

namespace elbow {

void Request::wait() {
  if (auto wait = std::exchange(wait_, nullptr)) wait();
}

Request::~Request() {
  try {
    wait();
  } catch (const std::exception& error) {
    log::error("a collective that nobody waited for failed: {}", error.what());
  }
}

ElementType element_type(const torch::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case torch::kFloat:
      return ElementType::kFloat;
    case torch::kDouble:
      return ElementType::kDouble;
    case torch::kLong:
      return ElementType::kInt64;
    case torch::kByte:
      return ElementType::kUint8;
    default:
      throw CommError(
          fmt::format("no collective for tensors of type {}", c10::toString(tensor.scalar_type())));
  }
}

CollectiveCall collective_call(Collective collective, const torch::Tensor& tensor, int detail) {
  return {collective, tensor.numel(), element_type(tensor), detail, !tensor.is_cpu()};
}

void require_host_contiguous(const torch::Tensor& tensor, const char* operation) {
  if (!tensor.defined() || !tensor.device().is_cpu() || !tensor.is_contiguous()) {
    throw CommError(fmt::format("{} needs a contiguous tensor on the host", operation));
  }
}

void require_one_each(std::span<const torch::Tensor> send, std::span<const torch::Tensor> receive,
                      int size) {
  if (send.size() != static_cast<std::size_t>(size) || receive.size() != send.size()) {
    throw CommError("all_to_all needs a tensor for each rank, both ways");
  }
  for (const auto tensors : {send, receive}) {
    for (const torch::Tensor& tensor : tensors) require_host_contiguous(tensor, "all_to_all");
  }
}

std::optional<std::int64_t> ranks_meant_by_launcher() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    const char* text = std::getenv(variable);
    std::int64_t ranks = 0;
    if (text != nullptr && parse_number(text, ranks)) return ranks;
  }
  return std::nullopt;
}

bool started_by_launcher() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"}) {
    if (std::getenv(variable) != nullptr) return true;
  }
  return false;
}

std::unique_ptr<Communicator> make_communicator(std::int64_t largest_piece) {
  auto comm =
      started_by_launcher() ? make_mpi_communicator(largest_piece) : make_single_communicator();
  const auto meant = ranks_meant_by_launcher();
  if (meant && *meant != comm->size()) {
    throw ConfigError(fmt::format(
        "the launcher meant {} ranks but MPI sees {}: launcher and MPI library don't belong "
        "together; use the mpirun of the MPI that elbow was built with, or 'srun --mpi=pmix'",
        *meant, comm->size()));
  }
  return comm;
}

}  // namespace elbow
