// Per-sample rows at each number of ranks, against one process alone and against Adam written down
// once more.
#include "trainer/training/row_table.h"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/temporary_folder.h"
#include "tests/mpi/ranks.h"

namespace elbow {
namespace {

using test::ranks;

constexpr std::int64_t kSamples = 103;
constexpr std::int64_t kWidth = 5;
constexpr std::int64_t kBlock = 8;  // 13 blocks, the last of 7

torch::Tensor first_rows(std::span<const std::int64_t> indices) {
  torch::Tensor rows = torch::empty({static_cast<std::int64_t>(indices.size()), kWidth});
  for (std::size_t i = 0; i < indices.size(); ++i) {
    rows[static_cast<std::int64_t>(i)] =
        (torch::arange(kWidth) + 7.0 * static_cast<double>(indices[i])).sin();
  }
  return rows;
}

// As a shard's loss would give it: of the row itself and of the step.
torch::Tensor gradient_of(const torch::Tensor& rows, std::int64_t step) {
  return (rows * (3.0 + static_cast<double>(step)) + 0.3).sin();
}

// The samples of a step in the order of the batch, each once: a different stride a step.
std::vector<std::int64_t> batch_of(std::int64_t step) {
  std::vector<std::int64_t> batch;
  for (std::int64_t i = 0; i < 30; ++i) batch.push_back((i * (step + 2) + 11 * step) % kSamples);
  return batch;
}

// Some sample is left out at each step, as one that is not finite.
std::uint8_t is_used(std::int64_t index, std::int64_t step) {
  return static_cast<std::uint8_t>((index + step) % 9 != 0);
}

RowPlan even_plan(const std::vector<std::int64_t>& batch, int size) {
  RowPlan plan(static_cast<std::size_t>(size));
  const auto count = static_cast<std::int64_t>(batch.size());
  for (int rank = 0; rank < size; ++rank) {
    plan[static_cast<std::size_t>(rank)].assign(batch.begin() + count * rank / size,
                                                batch.begin() + count * (rank + 1) / size);
  }
  return plan;
}

const RowStep kStep = {0.05, 0.8, 0.95, 1e-8, [](torch::Tensor& rows) { rows.clamp_max_(0.9); }};

void advance(RowTable& table, Communicator& comm, std::int64_t begin, std::int64_t end) {
  for (std::int64_t step = begin; step < end; ++step) {
    const RowPlan plan = even_plan(batch_of(step), comm.size());
    const torch::Tensor rows = table.fetch(plan);
    std::vector<std::uint8_t> used;
    for (const std::int64_t index : plan[static_cast<std::size_t>(comm.rank())]) {
      used.push_back(is_used(index, step));
    }
    table.update(plan, gradient_of(rows, step), used, kStep);
  }
}

// All rows, on every rank.
torch::Tensor everything(RowTable& table, const Communicator& comm) {
  std::vector<std::int64_t> all(kSamples);
  std::iota(all.begin(), all.end(), 0);
  return table.fetch(RowPlan(static_cast<std::size_t>(comm.size()), all));
}

RowTable make_table(Communicator& comm) {
  RowTable table(comm, kSamples, kWidth, kBlock);
  table.initialise(first_rows);
  return table;
}

// Writes this rank's files, as the writer of checkpoints does.
void write(const RowTable& table, const std::filesystem::path& folder) {
  for (const StateFile& file : table.files()) stage_file(folder, file);
}

TEST(RowTable, IsThatOfOneProcessBitForBit) {
  const auto alone = make_single_communicator();
  RowTable expected = make_table(*alone);
  RowTable table = make_table(ranks());
  EXPECT_TRUE(torch::equal(everything(table, ranks()), everything(expected, *alone)));
  advance(expected, *alone, 0, 9);
  advance(table, ranks(), 0, 9);
  EXPECT_TRUE(torch::equal(everything(table, ranks()), everything(expected, *alone)));
  const RowMoments sums = table.moments();
  const RowMoments expected_sums = expected.moments();
  EXPECT_EQ(sums.count, expected_sums.count);
  EXPECT_TRUE(torch::equal(sums.mean, expected_sums.mean));
  EXPECT_TRUE(torch::equal(sums.covariance, expected_sums.covariance));
}

TEST(RowTable, MovesEachRowAsAdamDoes) {
  RowTable table = make_table(ranks());
  advance(table, ranks(), 0, 9);
  const torch::Tensor rows = everything(table, ranks());
  const std::vector<std::int64_t> all = [] {
    std::vector<std::int64_t> indices(kSamples);
    std::iota(indices.begin(), indices.end(), 0);
    return indices;
  }();
  const torch::Tensor expected = first_rows(all).to(torch::kDouble);
  std::int64_t untouched = 0;
  for (const std::int64_t index : all) {
    torch::Tensor row = expected[index];
    torch::Tensor m = torch::zeros_like(row);
    torch::Tensor v = torch::zeros_like(row);
    int t = 0;
    for (std::int64_t step = 0; step < 9; ++step) {
      const auto batch = batch_of(step);
      if (std::find(batch.begin(), batch.end(), index) == batch.end()) continue;
      if (is_used(index, step) == 0) continue;
      ++t;
      const auto g = gradient_of(row, step);
      m = 0.8 * m + 0.2 * g;
      v = 0.95 * v + 0.05 * g.square();
      row -= 0.05 * (m / (1 - std::pow(0.8, t))) / ((v / (1 - std::pow(0.95, t))).sqrt() + 1e-8);
      row.clamp_max_(0.9F);
    }
    untouched += t == 0 ? 1 : 0;
  }
  EXPECT_GT(untouched, 0);
  EXPECT_LT(untouched, kSamples / 2);
  EXPECT_LT((rows.to(torch::kDouble) - expected).abs().max().item<double>(), 2e-5);
  EXPECT_EQ(table.moments().count, kSamples - untouched);
}

TEST(RowTable, MomentsAreThoseOfTheRowsThatWereTrained) {
  RowTable table = make_table(ranks());
  EXPECT_EQ(table.moments().count, 0);
  advance(table, ranks(), 0, 2);
  std::vector<std::int64_t> trained;
  for (std::int64_t step = 0; step < 2; ++step) {
    for (const std::int64_t index : batch_of(step)) {
      if (is_used(index, step) != 0) trained.push_back(index);
    }
  }
  std::sort(trained.begin(), trained.end());
  trained.erase(std::unique(trained.begin(), trained.end()), trained.end());
  const torch::Tensor rows = everything(table, ranks())
                                 .index_select(0, torch::tensor(trained, torch::kLong))
                                 .to(torch::kDouble);
  const RowMoments moments = table.moments();
  const torch::Tensor mean = rows.mean(0);
  ASSERT_EQ(moments.count, rows.size(0));
  EXPECT_LT((moments.mean - mean).abs().max().item<double>(), 1e-14);
  const torch::Tensor covariance = (rows - mean).t().mm(rows - mean) / rows.size(0);
  EXPECT_LT((moments.covariance - covariance).abs().max().item<double>(), 1e-14);
  table.forget_past();
  EXPECT_EQ(table.moments().count, 0);
}

TEST(RowTable, KeepsItsShareAlone) {
  RowTable table(ranks(), kSamples, kWidth, kBlock);
  const std::int64_t row = kWidth * 3 * 4 + 8;
  const std::int64_t blocks = (13 + ranks().size() - 1) / ranks().size();
  EXPECT_LE(table.bytes(), blocks * kBlock * row);
  torch::Tensor sum = torch::full({1}, table.bytes(), torch::kLong);
  ranks().all_reduce(sum, Reduction::kSum);
  EXPECT_EQ(sum.item<std::int64_t>(), kSamples * row);
  // More ranks than blocks: some keep nothing.
  RowTable small(ranks(), 3, kWidth);
  sum.fill_(small.bytes());
  ranks().all_reduce(sum, Reduction::kSum);
  EXPECT_EQ(sum.item<std::int64_t>(), 3 * row);
  EXPECT_EQ(everything(table, ranks()).size(0), kSamples);
}

TEST(RowTable, GoesOnFromFilesAtAnotherNumberOfRanks) {
  const auto alone = make_single_communicator();
  RowTable expected = make_table(*alone);
  advance(expected, *alone, 0, 4);
  const std::filesystem::path of_one = test::shared_folder() + "/of-one";
  const std::filesystem::path of_all = test::shared_folder() + "/of-all";
  if (ranks().rank() == 0) write(expected, of_one);
  RowTable table = make_table(ranks());
  advance(table, ranks(), 0, 4);
  write(table, of_all);
  ranks().barrier();

  // The same files, whoever wrote them.
  for (std::int64_t block = 0; block < 13; ++block) {
    const std::string name = fmt::format("rows-{:05}.safetensors", block);
    const NamedTensors one = load_safetensors(of_one / name);
    const NamedTensors all = load_safetensors(of_all / name);
    ASSERT_EQ(one.size(), 4U);
    EXPECT_EQ(one.at("rows").size(0), block < 12 ? 8 : 7);
    for (const auto& [tensor, value] : one) EXPECT_TRUE(torch::equal(value, all.at(tensor)));
  }
  RowTable back(*alone, kSamples, kWidth, kBlock);
  back.restore(of_all);
  RowTable spread(ranks(), kSamples, kWidth, kBlock);
  spread.restore(of_one);
  advance(expected, *alone, 4, 9);
  advance(back, *alone, 4, 9);
  advance(spread, ranks(), 4, 9);
  EXPECT_TRUE(torch::equal(everything(back, *alone), everything(expected, *alone)));
  EXPECT_TRUE(torch::equal(everything(spread, ranks()), everything(expected, *alone)));
}

TEST(RowTable, RefusesFilesThatAreNotItsOwn) {
  const auto alone = make_single_communicator();
  const TemporaryFolder folder;
  write(make_table(*alone), folder.path());
  const auto problem = [&](std::int64_t samples, std::int64_t width) -> std::string {
    RowTable table(*alone, samples, width, kBlock);
    try {
      table.restore(folder.path());
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(problem(kSamples, kWidth), "");
  EXPECT_NE(problem(kSamples, kWidth + 1).find("rows-00000.safetensors"), std::string::npos);
  EXPECT_NE(problem(kSamples - 1, kWidth).find("rows-00012.safetensors"), std::string::npos);
  EXPECT_NE(problem(kSamples + 1, kWidth).find("rows-00012.safetensors"), std::string::npos);
  std::filesystem::remove(folder.path() / "rows-00003.safetensors");
  EXPECT_NE(problem(kSamples, kWidth).find("rows-00003.safetensors"), std::string::npos);
}

}  // namespace
}  // namespace elbow
