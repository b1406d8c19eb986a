// One suite for every communicator, at any number of ranks and on the host or on GPUs; every
// expectation is a sum made by hand.
#include "trainer/comm/communicator.h"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/mpi/ranks.h"
#include "trainer/comm/replicas.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

using test::ranks;

torch::TensorOptions here(torch::ScalarType type = torch::kFloat) {
  return torch::TensorOptions(type).device(test::device());
}

class Communicating : public testing::TestWithParam<torch::ScalarType> {
 protected:
  static torch::TensorOptions options() { return here(GetParam()); }
};

TEST_P(Communicating, SumsEveryElementOverTheRanks) {
  const std::int64_t n = ranks().size();
  for (const std::int64_t size : {0, 1, 7, 1000, 100003}) {
    // Element i of rank r is (i mod 5) + r: the sum is n (i mod 5) + n (n - 1) / 2.
    torch::Tensor tensor =
        (torch::arange(size, torch::kLong).remainder(5) + ranks().rank()).to(options());
    ranks().all_reduce(tensor, Reduction::kSum);
    const torch::Tensor expected =
        (torch::arange(size, torch::kLong).remainder(5) * n + n * (n - 1) / 2).to(options());
    EXPECT_TRUE(torch::equal(tensor, expected)) << size;
  }
}

TEST_P(Communicating, TakesTheGreatestOverTheRanks) {
  torch::Tensor tensor = torch::full({3}, ranks().rank(), options());
  ranks().all_reduce(tensor, Reduction::kMax);
  EXPECT_TRUE(torch::equal(tensor, torch::full({3}, ranks().size() - 1, options())));
}

TEST_P(Communicating, BroadcastsFromEveryRoot) {
  for (int root = 0; root < ranks().size(); ++root) {
    torch::Tensor tensor = torch::full({2, 3}, ranks().rank() + 10, options());
    ranks().broadcast(tensor, root);
    EXPECT_TRUE(torch::equal(tensor, torch::full({2, 3}, root + 10, options()))) << root;
  }
}

TEST_P(Communicating, GathersInTheOrderOfRanks) {
  const torch::Tensor gathered = ranks().all_gather(torch::full({2}, ranks().rank(), options()));
  ASSERT_EQ(gathered.sizes(), (std::vector<std::int64_t>{ranks().size(), 2}));
  for (int rank = 0; rank < ranks().size(); ++rank) {
    EXPECT_TRUE(torch::equal(gathered[rank], torch::full({2}, rank, options())));
  }
}

TEST_P(Communicating, KeepsSeveralSumsInFlight) {
  std::vector<torch::Tensor> tensors;
  for (const std::int64_t size : {3, 0, 5001}) {
    tensors.push_back(torch::full({size}, ranks().rank() + 1, options()));
  }
  std::vector<Request> requests;
  for (torch::Tensor& tensor : tensors) {
    requests.push_back(ranks().start_all_reduce(tensor, Reduction::kSum));
  }
  torch::Tensor between = torch::full({1}, 2, options());
  ranks().all_reduce(between, Reduction::kSum);
  EXPECT_EQ(between.item<int>(), 2 * ranks().size());
  for (Request& request : requests) request.wait();
  const int sum = ranks().size() * (ranks().size() + 1) / 2;
  for (const torch::Tensor& tensor : tensors) {
    EXPECT_TRUE(torch::equal(tensor, torch::full_like(tensor, sum)));
  }
}

// Rank s sends 1000 s + r + 7 values 10 s + r to rank r: all sizes differ, some need pieces.
TEST_P(Communicating, SendsEachRankItsOwn) {
  const int me = ranks().rank();
  std::vector<torch::Tensor> send;
  std::vector<torch::Tensor> receive;
  for (int other = 0; other < ranks().size(); ++other) {
    send.push_back(torch::full({1000 * me + other + 7}, 10 * me + other, options()));
    receive.push_back(torch::zeros({1000 * other + me + 7}, options()));
  }
  ranks().all_to_all(send, receive);
  for (int other = 0; other < ranks().size(); ++other) {
    const torch::Tensor& got = receive[static_cast<std::size_t>(other)];
    EXPECT_TRUE(torch::equal(got, torch::full_like(got, 10 * other + me))) << other;
  }
}

TEST_P(Communicating, SendsNothingAtAll) {
  const auto count = static_cast<std::size_t>(ranks().size());
  std::vector<torch::Tensor> send(count, torch::zeros({0}, options()));
  std::vector<torch::Tensor> receive(count, torch::zeros({0}, options()));
  EXPECT_NO_THROW(ranks().all_to_all(send, receive));
}

INSTANTIATE_TEST_SUITE_P(Types, Communicating,
                         testing::Values(torch::kFloat, torch::kDouble, torch::kLong, torch::kByte),
                         [](const auto& info) { return c10::toString(info.param); });

TEST(Communicator, RefusesWhatItCannotSend) {
  torch::Tensor strided = torch::zeros({4, 4}, here()).t().slice(0, 0, 2);
  EXPECT_THROW(ranks().all_reduce(strided, Reduction::kSum), CommError);
  torch::Tensor half = torch::zeros({4}, here(torch::kHalf));
  if (ranks().size() > 1) {
    EXPECT_THROW(ranks().all_reduce(half, Reduction::kSum), CommError);
  }
}

// The message that all ranks get, "" when none.
std::string shared_message(const std::function<void()>& action,
                           ExitCode code = ExitCode::kCommunication) {
  try {
    action();
  } catch (const SharedError& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "";
}

TEST(Communicator, NamesRanksThatCallDifferentCollectives) {
  if (ranks().size() == 1) return;  // one rank always agrees with itself
  const bool last = ranks().rank() == ranks().size() - 1;
  torch::Tensor tensor = torch::zeros({5}, here());
  std::string message = shared_message([&] {
    if (last) {
      ranks().broadcast(tensor, 0);
    } else {
      ranks().all_reduce(tensor, Reduction::kSum);
    }
  });
  EXPECT_NE(message.find("rank 0: all_reduce of 5 Float"), std::string::npos) << message;
  EXPECT_NE(message.find(fmt::format("rank {}: broadcast of 5 Float", ranks().size() - 1)),
            std::string::npos)
      << message;

  torch::Tensor other = torch::zeros({last ? 6 : 5}, here());
  message = shared_message([&] { ranks().all_reduce(other, Reduction::kSum); });
  EXPECT_NE(message.find("all_reduce of 6 Float"), std::string::npos) << message;
  torch::Tensor type = torch::zeros({5}, here(last ? torch::kDouble : torch::kFloat));
  EXPECT_NE(shared_message([&] { ranks().all_reduce(type, Reduction::kSum); }), "");
  EXPECT_NE(shared_message([&] { ranks().broadcast(tensor, last ? 1 : 0); }), "");
  EXPECT_NE(
      shared_message([&] { ranks().all_reduce(tensor, last ? Reduction::kMax : Reduction::kSum); }),
      "");
  ranks().all_reduce(tensor, Reduction::kSum);  // and goes on
}

// Ranks that meet on the host and on the device.
TEST(Communicator, NamesRanksThatCallFromDifferentDevices) {
  if (ranks().size() == 1 || test::device().is_cpu()) return;
  const bool last = ranks().rank() == ranks().size() - 1;
  torch::Tensor tensor = torch::zeros({5}, last ? torch::TensorOptions() : here());
  const std::string message = shared_message([&] { ranks().all_reduce(tensor, Reduction::kSum); });
  EXPECT_NE(message.find("rank 0: all_reduce of 5 Float on the device"), std::string::npos)
      << message;
}

TEST(Communicator, RefusesTensorsOnBothSides) {
  if (test::device().is_cpu()) return;
  const auto count = static_cast<std::size_t>(ranks().size());
  const std::vector<torch::Tensor> send(count, torch::zeros({3}));
  std::vector<torch::Tensor> receive(count, torch::zeros({3}, here()));
  EXPECT_THROW(ranks().all_to_all(send, receive), CommError);
}

// Both communicators at once: what is in flight on the host is none of the device's business.
TEST(Communicator, CarriesHostTensorsBesideDeviceTensors) {
  torch::Tensor on_host = torch::full({5001}, 2.0);
  torch::Tensor on_device = torch::full({5001}, 3.0, here());
  Request host_summed = ranks().start_all_reduce(on_host, Reduction::kSum);
  Request device_summed = ranks().start_all_reduce(on_device, Reduction::kSum);
  host_summed.wait();
  device_summed.wait();
  const auto n = static_cast<float>(ranks().size());
  EXPECT_TRUE(torch::equal(on_host, torch::full_like(on_host, 2 * n)));
  EXPECT_TRUE(torch::equal(on_device, torch::full_like(on_device, 3 * n)));
}

// A collective is part of the stream: it begins after what came before, and what comes after it
// sees what it did.
TEST(Communicator, KeepsTheOrderOfTheStream) {
  const std::int64_t elements = test::device().is_cpu() ? 1501 : 1 << 22;
  torch::Tensor tensor = torch::zeros({elements}, here());
  for (int step = 0; step < 20; ++step) {
    tensor.fill_(step);
    ranks().all_reduce(tensor, Reduction::kSum);
    tensor.add_(1);
    EXPECT_TRUE(torch::equal(tensor, torch::full_like(tensor, step * ranks().size() + 1)));
    tensor.fill_(step);
    Request request = ranks().start_all_reduce(tensor, Reduction::kMax);
    request.wait();
    EXPECT_TRUE(torch::equal(tensor, torch::full_like(tensor, step)));
  }
}

TEST(Nccl, SaysWhatIsMissing) {
  if (device_count() > 0) return;
  const auto alone = make_single_communicator();
  try {
    make_nccl_communicator(*alone);
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    // Another build would help for ever, another machine perhaps.
    const std::string message = error.what();
    const bool wrong_build = message.find("launch/setup --cuda") != std::string::npos;
    EXPECT_TRUE(wrong_build || message.find("there is no GPU") != std::string::npos) << message;
    EXPECT_EQ(error.code(), wrong_build ? ExitCode::kUsage : ExitCode::kCommunication);
  }
}

TEST(Communicator, RefusesSizesThatDifferFromEndToEnd) {
  const auto count = static_cast<std::size_t>(ranks().size());
  std::vector<torch::Tensor> send(count, torch::zeros({3}, here()));
  std::vector<torch::Tensor> receive(count, torch::zeros({3}, here()));
  if (ranks().rank() == 0) receive.back() = torch::zeros({2}, here());
  EXPECT_THROW(ranks().all_to_all(send, receive), Error);
  EXPECT_THROW(ranks().all_to_all(send, std::span(receive).first(count - 1)), CommError);
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

TEST(GatherText, KeepsOrderAndLengths) {
  const std::vector<std::string> all =
      gather_text(ranks(), std::string(static_cast<std::size_t>(3 * ranks().rank()), 'x'));
  ASSERT_EQ(static_cast<int>(all.size()), ranks().size());
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    EXPECT_EQ(all[rank], std::string(3 * rank, 'x'));
  }
}

TEST(RequireSame, NamesWhatDiffersWithBothValues) {
  require_same(ranks(), {{"version", "1"}, {"training.seed", "7"}});
  if (ranks().size() == 1) return;  // one rank always agrees with itself
  const bool last = ranks().rank() == ranks().size() - 1;
  std::string message = shared_message(
      [&] {
        require_same(ranks(), {{"version", "1"}, {"training.seed", last ? "8" : "7"}});
      },
      ExitCode::kUsage);
  EXPECT_NE(message.find(fmt::format("training.seed is 7 on rank 0, but training.seed is 8 on rank "
                                     "{}",
                                     ranks().size() - 1)),
            std::string::npos)
      << message;
  message = shared_message(
      [&] {
        require_same(ranks(),
                     last ? Facts{{"version", "1"}} : Facts{{"version", "1"}, {"more", "x"}});
      },
      ExitCode::kUsage);
  EXPECT_NE(message.find("more is x on rank 0"), std::string::npos) << message;
}

TEST(RequireSameReplicas, NamesRankAndTensor) {
  torch::Tensor weight = torch::arange(100, torch::kFloat);
  torch::Tensor bias = torch::ones({3});
  const NamedViews views = {{"encoder.0.weight", weight}, {"encoder.0.bias", bias}};
  require_same_replicas(ranks(), views, "after step 5");
  if (ranks().size() == 1) return;  // one rank always agrees with itself
  // The last bit of one number.
  if (ranks().rank() == 1) bias[2] = std::nextafter(1.0F, 2.0F);
  const std::string message =
      shared_message([&] { require_same_replicas(ranks(), views, "after step 5"); });
  EXPECT_NE(message.find("'encoder.0.bias' differ after step 5: "), std::string::npos) << message;
  const std::string who =
      ranks().size() == 2 ? "ranks 0 and 1 disagree" : "rank 1 differ from the others";
  EXPECT_NE(message.find(who), std::string::npos) << message;
}

}  // namespace
}  // namespace elbow
