#include "trainer/evaluation/blocks.h"

#include <algorithm>
#include <optional>

#include <nlohmann/json.hpp>

#include "data/loader.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// What a row of one of the tensors is, known to all ranks from what rank 0 computed first: others
// may have no block at all.
struct RowLayout {
  torch::ScalarType type = torch::kFloat;
  std::vector<std::int64_t> shape;

  torch::Tensor rows(std::int64_t count) const {
    std::vector<std::int64_t> sizes = {count};
    sizes.insert(sizes.end(), shape.begin(), shape.end());
    return torch::zeros(sizes, type);
  }
};

std::vector<RowLayout> agree_on_layout(Communicator& comm, const BlockRows& mine) {
  auto json = nlohmann::json::array();
  for (const torch::Tensor& rows : mine) {
    const auto sizes = rows.sizes().slice(1).vec();
    json.push_back({static_cast<int>(rows.scalar_type()), sizes});
  }
  std::vector<RowLayout> layout;
  for (const auto& row : nlohmann::json::parse(broadcast_text(comm, json.dump(), 0))) {
    layout.push_back({static_cast<torch::ScalarType>(row[0].get<int>()),
                      row[1].get<std::vector<std::int64_t>>()});
  }
  return layout;
}

class Rounds {
 public:
  Rounds(const BlockJob& job, const BlockCompute& compute, const BlockSink& sink)
      : job_(job),
        compute_(compute),
        sink_(sink),
        ranks_(job.comm.size()),
        blocks_(ceil_divide(job.range.count, job.block)) {}

  void run() {
    for (std::int64_t first = 0; first < blocks_; first += ranks_) {
      BlockRows mine;
      together(job_.comm, [&] {
        deliver();
        mine = compute(first + job_.comm.rank());
      });
      if (first == 0) layout_ = agree_on_layout(job_.comm, mine);
      exchange(first, mine);
      if (job_.progress && job_.comm.rank() == 0) {
        job_.progress(std::min(job_.range.count, (first + ranks_) * job_.block));
      }
    }
    together(job_.comm, [this] { deliver(); });
  }

 private:
  std::int64_t size(std::int64_t block) const {
    return std::clamp<std::int64_t>(job_.range.count - block * job_.block, 0, job_.block);
  }

  std::vector<std::int64_t> indices(std::int64_t block) const {
    std::vector<std::int64_t> result;
    const std::int64_t first = block * job_.block;
    for (std::int64_t i = 0; i < size(block); ++i) result.push_back(job_.range.index_of(first + i));
    return result;
  }

  // Nothing for a rank without a block in this round.
  BlockRows compute(std::int64_t block) {
    if (block >= blocks_) return {};
    BlockRows rows = compute_(read(block));
    for (torch::Tensor& tensor : rows) tensor = tensor.to(torch::kCPU).contiguous();
    return rows;
  }

  const Batch& read(std::int64_t block) {
    if (job_.data == nullptr) {
      without_data_.indices = indices(block);
      return without_data_;
    }
    if (!loader_) {
      loader_.emplace(
          *job_.data, job_.labels,
          [this, next = block]() mutable {
            const std::int64_t current = next;
            next += ranks_;
            return current < blocks_ ? std::optional(indices(current)) : std::nullopt;
          },
          2);
    }
    return *loader_->next();
  }

  void exchange(std::int64_t first, const BlockRows& mine) {
    const bool receives = job_.receivers == Receivers::kAll || job_.comm.rank() == 0;
    std::vector<BlockRows> received(static_cast<std::size_t>(ranks_));
    for (std::size_t i = 0; i < layout_.size(); ++i) {
      const torch::Tensor sent = mine.empty() ? layout_[i].rows(0) : mine[i];
      auto rows = job_.receivers == Receivers::kAll ? gather_on_all(first, layout_[i], sent)
                                                    : gather_on_rank_0(first, layout_[i], sent);
      for (std::size_t r = 0; receives && r < rows.size(); ++r) received[r].push_back(rows[r]);
    }
    for (int r = 0; receives && r < ranks_ && first + r < blocks_; ++r) {
      pending_.emplace_back(first + r, std::move(received[static_cast<std::size_t>(r)]));
    }
  }

  std::vector<torch::Tensor> gather_on_all(std::int64_t first, const RowLayout& layout,
                                           const torch::Tensor& sent) const {
    torch::Tensor padded = layout.rows(job_.block);
    padded.narrow(0, 0, sent.size(0)).copy_(sent);
    const torch::Tensor all = job_.comm.all_gather(padded);
    std::vector<torch::Tensor> rows;
    for (int r = 0; r < ranks_; ++r) rows.push_back(all[r].narrow(0, 0, size(first + r)));
    return rows;
  }

  std::vector<torch::Tensor> gather_on_rank_0(std::int64_t first, const RowLayout& layout,
                                              const torch::Tensor& sent) const {
    const bool receives = job_.comm.rank() == 0;
    std::vector<torch::Tensor> outgoing;
    std::vector<torch::Tensor> incoming;
    for (int r = 0; r < ranks_; ++r) {
      outgoing.push_back(r == 0 ? sent : layout.rows(0));
      incoming.push_back(layout.rows(receives ? size(first + r) : 0));
    }
    job_.comm.all_to_all(outgoing, incoming);
    return incoming;
  }

  // What the last round brought.
  void deliver() {
    for (const auto& [block, rows] : pending_) sink_(indices(block), rows);
    pending_.clear();
  }

  const BlockJob& job_;
  const BlockCompute& compute_;
  const BlockSink& sink_;
  const int ranks_;
  const std::int64_t blocks_;
  std::optional<Loader> loader_;
  Batch without_data_;
  std::vector<RowLayout> layout_;
  std::vector<std::pair<std::int64_t, BlockRows>> pending_;
};

}  // namespace

SampleRange first_samples(std::int64_t count) {
  return {count, [](std::int64_t i) { return i; }};
}

void for_each_block(const BlockJob& job, const BlockCompute& compute, const BlockSink& sink) {
  Rounds(job, compute, sink).run();
}

}  // namespace elbow
