// One suite for the communicator at any number of ranks; every expectation is a sum made by hand.
#include "trainer/comm/communicator.h"

#include <gtest/gtest.h>

#include "tests/mpi/ranks.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

using test::ranks;

class Communicating : public testing::TestWithParam<torch::ScalarType> {};

TEST_P(Communicating, SumsEveryElementOverTheRanks) {
  const std::int64_t n = ranks().size();
  for (const std::int64_t size : {0, 1, 7, 100003}) {
    // Element i of rank r is (i mod 5) + r: the sum is n (i mod 5) + n (n - 1) / 2.
    torch::Tensor tensor =
        (torch::arange(size, torch::kLong).remainder(5) + ranks().rank()).to(GetParam());
    ranks().all_reduce(tensor, Reduction::kSum);
    const torch::Tensor expected =
        (torch::arange(size, torch::kLong).remainder(5) * n + n * (n - 1) / 2).to(GetParam());
    EXPECT_TRUE(torch::equal(tensor, expected)) << size;
  }
}

TEST_P(Communicating, TakesTheGreatestOverTheRanks) {
  torch::Tensor tensor = torch::full({3}, ranks().rank(), GetParam());
  ranks().all_reduce(tensor, Reduction::kMax);
  EXPECT_TRUE(torch::equal(tensor, torch::full({3}, ranks().size() - 1, GetParam())));
}

TEST_P(Communicating, BroadcastsFromEveryRoot) {
  for (int root = 0; root < ranks().size(); ++root) {
    torch::Tensor tensor = torch::full({2, 3}, ranks().rank() + 10, GetParam());
    ranks().broadcast(tensor, root);
    EXPECT_TRUE(torch::equal(tensor, torch::full({2, 3}, root + 10, GetParam()))) << root;
  }
}

TEST_P(Communicating, GathersInTheOrderOfRanks) {
  const torch::Tensor gathered = ranks().all_gather(torch::full({2}, ranks().rank(), GetParam()));
  ASSERT_EQ(gathered.sizes(), (std::vector<std::int64_t>{ranks().size(), 2}));
  for (int rank = 0; rank < ranks().size(); ++rank) {
    EXPECT_TRUE(torch::equal(gathered[rank], torch::full({2}, rank, GetParam())));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, Communicating,
                         testing::Values(torch::kFloat, torch::kDouble, torch::kLong, torch::kByte),
                         [](const auto& info) { return c10::toString(info.param); });

TEST(Communicator, RefusesWhatItCannotSend) {
  torch::Tensor strided = torch::zeros({4, 4}).t().slice(0, 0, 2);
  EXPECT_THROW(ranks().all_reduce(strided, Reduction::kSum), CommError);
  torch::Tensor half = torch::zeros({4}, torch::kHalf);
  if (ranks().size() > 1) {
    EXPECT_THROW(ranks().all_reduce(half, Reduction::kSum), CommError);
  }
}

TEST(Together, ReturnsWhenAllSucceed) {
  int calls = 0;
  together(ranks(), [&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST(Together, OneRanksErrorIsThrownByAll) {
  const int culprit = ranks().size() - 1;
  try {
    together(ranks(), [&] {
      if (ranks().rank() == culprit) throw DataError("no such file: x.h5");
    });
    FAIL() << "nothing was thrown";
  } catch (const SharedError& error) {
    EXPECT_EQ(error.code(), ExitCode::kData);
    const std::string name = ranks().size() > 1 ? fmt::format("[rank {}] ", culprit) : "";
    EXPECT_EQ(std::string(error.what()), name + "no such file: x.h5");
  }
}

TEST(Together, AnErrorOfAllIsSaidOnce) {
  try {
    together(ranks(), [] { throw ConfigError("wrong"); });
    FAIL() << "nothing was thrown";
  } catch (const SharedError& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_STREQ(error.what(), "wrong");
  }
}

TEST(RequireSame, NamesWhatDiffers) {
  require_same(ranks(), "equal", "the configuration");
  if (ranks().size() == 1) return;
  try {
    require_same(ranks(), fmt::format("rank {}", ranks().rank()), "the configuration");
    FAIL() << "nothing was thrown";
  } catch (const SharedError& error) {
    EXPECT_EQ(error.code(), ExitCode::kCommunication);
    EXPECT_NE(std::string(error.what()).find("the configuration differs"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace elbow
