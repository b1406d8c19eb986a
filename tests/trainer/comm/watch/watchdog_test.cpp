// Watchdogs of two ranks in one process, with threads, sockets and a clock of their own.
#include "trainer/comm/watch/watchdog.h"

#include <chrono>
#include <future>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace elbow {
namespace {

using testing::HasSubstr;

// A rank's watchdog, and what it says when the job must end.
class WatchedRank {
 public:
  WatchedRank(int rank, const WatchInvitation& invitation, std::unique_ptr<WatchListener> listener)
      : watchdog(rank, 2, invitation, std::move(listener),
                 [this](const std::string& why) { reason_.set_value(why); }) {}

  // "" when it has said nothing within the time.
  std::string reason(std::chrono::milliseconds patience) {
    return said_.wait_for(patience) == std::future_status::ready ? said_.get() : "";
  }

 private:
  std::promise<std::string> reason_;  // outlives the thread
  std::future<std::string> said_ = reason_.get_future();

 public:
  Watchdog watchdog;
};

class Watchdogs : public testing::Test {
 protected:
  Watchdogs() {
    auto listener = std::make_unique<WatchListener>(std::vector<HostAddresses>{});
    const WatchInvitation invitation = listener->invitation();
    leader.emplace(0, invitation, std::move(listener));
    follower.emplace(1, invitation, nullptr);
  }

  std::optional<WatchedRank> leader;
  std::optional<WatchedRank> follower;
};

TEST_F(Watchdogs, EndBothRanksWhenOneDoesNotArrive) {
  WatchLimits limits;
  limits.collective = 2;
  leader->watchdog.set_limits(limits);
  follower->watchdog.set_limits(limits);
  const auto inside = leader->watchdog.enter(7, {Collective::kAllReduce, 5, ElementType::kFloat});
  const std::string reason = leader->reason(std::chrono::seconds(20));
  EXPECT_THAT(reason, HasSubstr("call 7 (all_reduce of 5 Float) has lasted "));
  EXPECT_THAT(reason, HasSubstr("rank 1 did not arrive; it has been outside of collectives for "));
  EXPECT_THAT(reason, HasSubstr("; the job ends: start it again"));
  EXPECT_EQ(follower->reason(std::chrono::seconds(20)), reason);
}

// As the server of metrics does while the rank trains.
TEST_F(Watchdogs, TellTheirFiguresToAnotherThread) {
  const std::jthread reader([this](const std::stop_token& stop) {
    double last = 0;
    while (!stop.stop_requested()) {
      const double seconds = leader->watchdog.figures().collective_seconds;
      EXPECT_GE(seconds, last);
      last = seconds;
    }
  });
  constexpr std::chrono::milliseconds kWait{2};
  constexpr int kCalls = 50;
  for (int call = 1; call <= kCalls; ++call) {
    const auto inside = leader->watchdog.enter(call, {Collective::kBarrier});
    std::this_thread::sleep_for(kWait);
  }
  EXPECT_GE(leader->watchdog.figures().collective_seconds,
            std::chrono::duration<double>(kCalls * kWait).count());
  EXPECT_THAT(leader->watchdog.figures().stragglers, testing::IsEmpty());
}

TEST_F(Watchdogs, LetARankGoThatEndsInGoodOrder) {
  WatchLimits limits;
  limits.collective = 2;
  leader->watchdog.set_limits(limits);
  std::this_thread::sleep_for(std::chrono::milliseconds(700));  // they have met
  follower.reset();
  EXPECT_EQ(leader->reason(std::chrono::milliseconds(3500)), "");
}

}  // namespace
}  // namespace elbow
