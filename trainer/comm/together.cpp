#include "trainer/comm/together.h"

#include <cstring>
#include <new>

#include "base/hash.h"
#include "base/text.h"

namespace elbow {
namespace {

// Exit code and message of this rank's failure; code 0 when there was none.
struct Outcome {
  std::int64_t code = 0;
  std::string message;
};

Outcome outcome_of(const std::function<void()>& step) {
  try {
    step();
    return {};
  } catch (const Error& error) {
    return {static_cast<std::int64_t>(error.code()), error.what()};
  } catch (const std::bad_alloc&) {
    return {static_cast<std::int64_t>(ExitCode::kFailed),
            "out of memory; a smaller batch or fewer ranks need less"};
  } catch (const c10::Error& error) {
    return {static_cast<std::int64_t>(ExitCode::kFailed),
            fmt::format("LibTorch: {}", error.what_without_backtrace())};
  } catch (const std::exception& error) {
    return {static_cast<std::int64_t>(ExitCode::kFailed), error.what()};
  }
}

}  // namespace

std::string broadcast_text(Communicator& comm, const std::string& text, int root) {
  torch::Tensor length = torch::full({1}, static_cast<std::int64_t>(text.size()), torch::kLong);
  comm.broadcast(length, root);
  torch::Tensor bytes = torch::zeros({length.item<std::int64_t>()}, torch::kByte);
  if (comm.rank() == root) std::memcpy(bytes.data_ptr(), text.data(), text.size());
  comm.broadcast(bytes, root);
  return {static_cast<const char*>(bytes.data_ptr()), static_cast<std::size_t>(bytes.numel())};
}

void together(Communicator& comm, const std::function<void()>& step) {
  const Outcome mine = outcome_of(step);
  const torch::Tensor codes = comm.all_gather(torch::full({1}, mine.code, torch::kLong)).view(-1);
  int failed = 0;
  int first = -1;
  for (int rank = 0; rank < comm.size(); ++rank) {
    if (codes[rank].item<std::int64_t>() == 0) continue;
    if (first < 0) first = rank;
    ++failed;
  }
  if (first < 0) return;
  std::string message = broadcast_text(comm, mine.message, first);
  if (failed < comm.size()) {
    message = fmt::format("[rank {}] {}", first, message);
    if (failed > 1) message += fmt::format(" ({} of {} ranks failed)", failed, comm.size());
  }
  throw SharedError(message, static_cast<ExitCode>(codes[first].item<std::int64_t>()));
}

void require_same(Communicator& comm, const std::string& text, const std::string& what) {
  const std::string hash = hash_hex(text);
  const std::string expected = broadcast_text(comm, hash, 0);
  together(comm, [&] {
    if (hash != expected) {
      throw CommError(
          fmt::format("{} differs from rank 0's: start the same program with the same "
                      "configuration, environment and files on every host",
                      what));
    }
  });
}

}  // namespace elbow
