#include "trainer/training/row_table.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include <ATen/Parallel.h>

#include "base/error.h"

namespace elbow {
namespace {

constexpr std::int64_t kRowsAtATime = 8192;
constexpr std::int64_t kRowsPerThread = 256;

std::string file_name(std::int64_t block) {
  return fmt::format("{}{:05}.safetensors", kRowFiles, block);
}

torch::Tensor index_tensor(const std::vector<std::int64_t>& places) {
  return torch::tensor(places, torch::kLong);
}

void copy_row(const torch::Tensor& from, std::int64_t source, torch::Tensor& to,
              std::int64_t target) {
  const auto width = static_cast<std::size_t>(from.size(1));
  std::memcpy(to.data_ptr<float>() + target * to.size(1),
              from.const_data_ptr<float>() + source * from.size(1), width * sizeof(float));
}

// One row, in double between what is stored as float.
struct AdamRow {
  float* value;
  float* first;
  float* second;
  const float* gradient;

  void step(std::int64_t width, std::int64_t steps, const RowStep& options) const {
    const auto t = static_cast<double>(steps);
    const double rate = options.rate / (1.0 - std::pow(options.beta1, t));
    const double correction = std::sqrt(1.0 - std::pow(options.beta2, t));
    for (std::int64_t j = 0; j < width; ++j) {
      const double g = gradient[j];
      const double m = options.beta1 * first[j] + (1.0 - options.beta1) * g;
      const double v = options.beta2 * second[j] + (1.0 - options.beta2) * g * g;
      first[j] = static_cast<float>(m);
      second[j] = static_cast<float>(v);
      const double moved = value[j] - rate * m / (std::sqrt(v) / correction + options.epsilon);
      value[j] = static_cast<float>(moved);
    }
  }
};

}  // namespace

RowTable::RowTable(Communicator& comm, std::int64_t samples, std::int64_t width, std::int64_t block)
    : comm_(comm),
      samples_(samples),
      width_(width),
      block_(block),
      blocks_((samples + block - 1) / block),
      first_(std::min(samples, first_block(comm.rank()) * block)) {
  const std::int64_t end = std::min(samples, first_block(comm.rank() + 1) * block);
  rows_ = torch::zeros({end - first_, width}, torch::kFloat);
  first_moment_ = torch::zeros_like(rows_);
  second_moment_ = torch::zeros_like(rows_);
  steps_ = torch::zeros({end - first_}, torch::kLong);
}

// The rank r with first_block(r) <= block < first_block(r + 1).
int RowTable::block_owner(std::int64_t block) const {
  return static_cast<int>(((block + 1) * comm_.size() - 1) / blocks_);
}

int RowTable::owner(std::int64_t index) const { return block_owner(index / block_); }

std::int64_t RowTable::block_rows(std::int64_t block) const {
  return std::min(block_, samples_ - block * block_);
}

std::int64_t RowTable::bytes() const {
  return static_cast<std::int64_t>(rows_.nbytes() + first_moment_.nbytes() +
                                   second_moment_.nbytes() + steps_.nbytes());
}

void RowTable::initialise(
    const std::function<torch::Tensor(std::span<const std::int64_t>)>& rows_of) {
  std::vector<std::int64_t> indices;
  for (std::int64_t begin = 0; begin < rows_.size(0); begin += kRowsAtATime) {
    indices.resize(static_cast<std::size_t>(std::min(kRowsAtATime, rows_.size(0) - begin)));
    std::iota(indices.begin(), indices.end(), first_ + begin);
    rows_.narrow(0, begin, static_cast<std::int64_t>(indices.size())).copy_(rows_of(indices));
  }
  forget_past();
}

void RowTable::forget_past() {
  first_moment_.zero_();
  second_moment_.zero_();
  steps_.zero_();
}

std::vector<std::int64_t> RowTable::places(const std::vector<std::int64_t>& indices) const {
  std::vector<std::int64_t> kept;
  for (const std::int64_t index : indices) {
    if (owner(index) == comm_.rank()) kept.push_back(index - first_);
  }
  return kept;
}

std::vector<std::int64_t> RowTable::counts(const std::vector<std::int64_t>& indices) const {
  std::vector<std::int64_t> count(static_cast<std::size_t>(comm_.size()), 0);
  for (const std::int64_t index : indices) ++count[static_cast<std::size_t>(owner(index))];
  return count;
}

torch::Tensor RowTable::fetch(const RowPlan& plan) {
  const auto& mine = plan[static_cast<std::size_t>(comm_.rank())];
  std::vector<torch::Tensor> send;
  std::vector<torch::Tensor> receive;
  for (const auto& wanted : plan) {
    send.push_back(rows_.index_select(0, index_tensor(places(wanted))));
  }
  for (const std::int64_t count : counts(mine)) receive.push_back(torch::empty({count, width_}));
  comm_.all_to_all(send, receive);

  torch::Tensor rows = torch::empty({static_cast<std::int64_t>(mine.size()), width_});
  std::vector<std::int64_t> taken(plan.size(), 0);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const auto from = static_cast<std::size_t>(owner(mine[i]));
    copy_row(receive[from], taken[from]++, rows, static_cast<std::int64_t>(i));
  }
  return rows;
}

// A column behind the gradients says which of them count.
void RowTable::update(const RowPlan& plan, const torch::Tensor& gradient,
                      std::span<const std::uint8_t> used, const RowStep& step) {
  const auto& mine = plan[static_cast<std::size_t>(comm_.rank())];
  std::vector<torch::Tensor> send;
  std::vector<torch::Tensor> receive;
  for (const std::int64_t count : counts(mine)) send.push_back(torch::empty({count, width_ + 1}));
  std::vector<std::int64_t> filled(plan.size(), 0);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const auto to = static_cast<std::size_t>(owner(mine[i]));
    const std::int64_t row = filled[to]++;
    copy_row(gradient, static_cast<std::int64_t>(i), send[to], row);
    send[to].data_ptr<float>()[row * (width_ + 1) + width_] = used[i];
  }
  std::vector<std::vector<std::int64_t>> kept;
  for (const auto& wanted : plan) {
    kept.push_back(places(wanted));
    receive.push_back(torch::empty({static_cast<std::int64_t>(kept.back().size()), width_ + 1}));
  }
  comm_.all_to_all(send, receive);
  for (std::size_t rank = 0; rank < plan.size(); ++rank) {
    update_kept(kept[rank], receive[rank], step);
  }
}

void RowTable::update_kept(const std::vector<std::int64_t>& places, const torch::Tensor& gradient,
                           const RowStep& step) {
  const float* gradients = gradient.const_data_ptr<float>();
  std::vector<std::int64_t> moved;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (gradients[static_cast<std::int64_t>(i) * (width_ + 1) + width_] != 0) {
      moved.push_back(static_cast<std::int64_t>(i));
    }
  }
  const auto count = static_cast<std::int64_t>(moved.size());
  at::parallel_for(0, count, kRowsPerThread, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      const std::int64_t i = moved[static_cast<std::size_t>(k)];
      const std::int64_t place = places[static_cast<std::size_t>(i)];
      const std::int64_t at = place * width_;
      const std::int64_t steps = ++steps_.data_ptr<std::int64_t>()[place];
      const AdamRow row{rows_.data_ptr<float>() + at, first_moment_.data_ptr<float>() + at,
                        second_moment_.data_ptr<float>() + at, gradients + i * (width_ + 1)};
      row.step(width_, steps, step);
    }
  });
  if (!step.project || count == 0) return;
  for (std::int64_t& i : moved) i = places[static_cast<std::size_t>(i)];
  const torch::Tensor index = index_tensor(moved);
  torch::Tensor rows = rows_.index_select(0, index);
  step.project(rows);
  rows_.index_copy_(0, index, rows);
}

torch::Tensor RowTable::sum_over_blocks(
    at::IntArrayRef shape, const std::function<torch::Tensor(const torch::Tensor&)>& part) {
  torch::Tensor sum = torch::zeros(shape, torch::kDouble);
  for (std::int64_t block = 0; block < blocks_; ++block) {
    torch::Tensor partial = torch::zeros(shape, torch::kDouble);
    if (block_owner(block) == comm_.rank()) {
      const std::int64_t begin = block * block_ - first_;
      const torch::Tensor trained = steps_.narrow(0, begin, block_rows(block)).nonzero().squeeze(1);
      partial.copy_(part(
          rows_.narrow(0, begin, block_rows(block)).index_select(0, trained).to(torch::kDouble)));
    }
    comm_.broadcast(partial, block_owner(block));
    sum += partial;
  }
  return sum;
}

RowMoments RowTable::moments() {
  RowMoments moments;
  const torch::Tensor sums = sum_over_blocks({width_ + 1}, [](const torch::Tensor& rows) {
    return torch::cat({rows.sum(0), torch::full({1}, rows.size(0), torch::kDouble)});
  });
  const auto count = sums[width_].item<double>();
  moments.count = static_cast<std::int64_t>(count);
  moments.mean = sums.narrow(0, 0, width_) / std::max(count, 1.0);
  moments.covariance = sum_over_blocks({width_, width_},
                                       [&](const torch::Tensor& rows) {
                                         const torch::Tensor centred = rows - moments.mean;
                                         return centred.t().mm(centred);
                                       }) /
                       std::max(count, 1.0);
  return moments;
}

NamedTensors RowTable::views(std::int64_t block) const {
  const std::int64_t begin = block * block_ - first_;
  const auto part = [&](const torch::Tensor& all) {
    return all.narrow(0, begin, block_rows(block));
  };
  return {{"rows", part(rows_)},
          {"first_moment", part(first_moment_)},
          {"second_moment", part(second_moment_)},
          {"steps", part(steps_)}};
}

std::vector<StateFile> RowTable::files() const {
  std::vector<StateFile> files;
  for (auto block = first_block(comm_.rank()); block < first_block(comm_.rank() + 1); ++block) {
    StateFile file{file_name(block), {}};
    for (const auto& [name, view] : views(block)) file.tensors.emplace(name, view.clone());
    files.push_back(std::move(file));
  }
  return files;
}

void RowTable::restore(const std::filesystem::path& folder) {
  for (auto block = first_block(comm_.rank()); block < first_block(comm_.rank() + 1); ++block) {
    const std::filesystem::path path = folder / file_name(block);
    assign(views(block), load_safetensors(path), path);
  }
}

const torch::Tensor& LearnedRows::block(std::int64_t number) {
  if (number == number_) return block_;
  const std::filesystem::path path = folder_ / file_name(number);
  const NamedTensors tensors = load_safetensors(path);
  const auto found = tensors.find("rows");
  if (found == tensors.end() || found->second.dim() != 2 || found->second.size(1) != width_ ||
      found->second.scalar_type() != torch::kFloat) {
    throw CheckpointError(
        fmt::format("{}: no tensor 'rows' with rows of {} numbers", path.string(), width_));
  }
  block_ = found->second;
  number_ = number;
  return block_;
}

torch::Tensor LearnedRows::rows(std::span<const std::int64_t> indices) {
  torch::Tensor rows =
      torch::empty({static_cast<std::int64_t>(indices.size()), width_}, torch::kFloat);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const torch::Tensor& kept = block(indices[i] / RowTable::kBlock);
    const std::int64_t place = indices[i] % RowTable::kBlock;
    if (place >= kept.size(0)) {
      throw CheckpointError(fmt::format("{} has no row of sample {}",
                                        (folder_ / file_name(number_)).string(), indices[i]));
    }
    copy_row(kept, place, rows, static_cast<std::int64_t>(i));
  }
  return rows;
}

}  // namespace elbow
