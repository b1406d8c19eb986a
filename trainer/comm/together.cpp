#include "trainer/comm/together.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/text.h"
#include "trainer/comm/failure.h"

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
  } catch (const std::exception&) {
    const Failure failure = current_failure();
    return {static_cast<std::int64_t>(failure.code), failure.message};
  }
}

}  // namespace

std::string broadcast_text(Communicator& comm, const std::string& text, int root) {
  torch::Tensor length = torch::full({1}, static_cast<std::int64_t>(text.size()), torch::kLong);
  comm.broadcast(length, root);
  torch::Tensor bytes = torch::zeros({length.item<std::int64_t>()}, torch::kByte);
  if (comm.rank() == root && !text.empty()) {
    std::memcpy(bytes.data_ptr(), text.data(), text.size());
  }
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

void require_same(Communicator& comm, const Facts& facts) {
  std::string mine;
  for (const auto& [name, value] : facts) mine += name + '\n' + value + '\n' + '\0';
  const std::vector<std::string> all = gather_text(comm, hash_hex(mine));
  if (std::equal(all.begin() + 1, all.end(), all.begin())) return;
  // Fact by fact, as the ranks may hold different numbers of them.
  torch::Tensor most = torch::full({1}, static_cast<std::int64_t>(facts.size()), torch::kLong);
  comm.all_reduce(most, Reduction::kMax);
  for (std::size_t i = 0; i < static_cast<std::size_t>(most.item<std::int64_t>()); ++i) {
    const auto values = gather_text(
        comm, i < facts.size() ? facts[i].first + " is " + facts[i].second : "nothing is known");
    const auto other = std::find_if(values.begin(), values.end(),
                                    [&](const std::string& v) { return v != values.front(); });
    if (other == values.end()) continue;
    throw SharedError(
        fmt::format(
            "the ranks differ: {} on rank 0, but {} on rank {}; start the same program with "
            "the same configuration, environment and files on every host",
            values.front(), *other, other - values.begin()),
        ExitCode::kUsage);
  }
}

std::vector<std::string> gather_text(Communicator& comm, const std::string& text) {
  const auto length = static_cast<std::int64_t>(text.size());
  const torch::Tensor lengths = comm.all_gather(torch::full({1}, length, torch::kLong)).view(-1);
  torch::Tensor padded = torch::zeros({lengths.max().item<std::int64_t>()}, torch::kByte);
  if (!text.empty()) std::memcpy(padded.data_ptr(), text.data(), text.size());
  const torch::Tensor all = comm.all_gather(padded);
  std::vector<std::string> texts;
  for (int rank = 0; rank < comm.size(); ++rank) {
    texts.emplace_back(static_cast<const char*>(all[rank].data_ptr()),
                       static_cast<std::size_t>(lengths[rank].item<std::int64_t>()));
  }
  return texts;
}

}  // namespace elbow
