#include "trainer/comm/replicas.h"

#include <algorithm>
#include <map>

#include "base/hash.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

std::span<const std::byte> bytes_of(const torch::Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

std::string hash_of(const NamedViews& tensors) {
  Hash hash;
  for (const auto& [name, tensor] : tensors) hash.add(bytes_of(tensor.cpu()));
  return hash.hex();
}

// The ranks that don't hold what most hold; all of them when there is no majority.
std::vector<int> minority(const std::vector<std::string>& by_rank) {
  std::map<std::string, std::size_t> counts;
  for (const std::string& value : by_rank) ++counts[value];
  const auto most =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  const bool majority = 2 * most->second > by_rank.size();
  std::vector<int> ranks;
  for (std::size_t rank = 0; rank < by_rank.size(); ++rank) {
    if (!majority || by_rank[rank] != most->first) ranks.push_back(static_cast<int>(rank));
  }
  return ranks;
}

}  // namespace

void require_same_replicas(Communicator& comm, const NamedViews& tensors, const std::string& when) {
  const std::vector<std::string> hashes = gather_text(comm, hash_of(tensors));
  if (std::equal(hashes.begin() + 1, hashes.end(), hashes.begin())) return;
  for (const auto& [name, tensor] : tensors) {
    const std::vector<std::string> one = gather_text(comm, hash_of({{name, tensor}}));
    if (std::equal(one.begin() + 1, one.end(), one.begin())) continue;
    const std::vector<int> ranks = minority(one);
    const bool named = static_cast<int>(ranks.size()) < comm.size();
    throw SharedError(
        fmt::format("the ranks' copies of '{}' differ {}: {} {} {}; a fault of memory or of a "
                    "processor is likely: start again on other hosts, from the last checkpoint",
                    name, when, ranks.size() > 1 ? "ranks" : "rank", fmt::join(ranks, " and "),
                    named ? "differ from the others" : "disagree"),
        ExitCode::kCommunication);
  }
}

}  // namespace elbow
