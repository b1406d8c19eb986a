// Leader and followers in one process, their clock moved by hand; between them real sockets.
#include "trainer/comm/watch/role.h"

#include <cstring>
#include <thread>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

namespace elbow {
namespace {

using testing::HasSubstr;

class Roles : public testing::Test {
 protected:
  Roles() {
    auto listener = std::make_unique<WatchListener>(std::vector<HostAddresses>{});
    invitation = listener->invitation();
    leader = make_watch_leader(3, std::move(listener));
    moment.limits.collective = 30;
  }

  std::unique_ptr<WatchRole> follower(int rank) {
    return make_watch_follower(rank, invitation, stop.get());
  }

  // A beat of a rank's watchdog. What it sends is there for the next: loopback delivers at once.
  std::optional<std::string> beat(WatchRole& role, std::int64_t call, bool inside, double seconds) {
    moment.now += 1;
    moment.place.call = call;
    moment.place.inside = inside;
    moment.place.seconds = seconds;
    return role.step(moment);
  }

  // Whether the leader closes a connection that begins with these bytes.
  bool is_hung_up_on(const std::string& bytes) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(invitation.ports[0]);
    ::inet_pton(AF_INET, invitation.addresses[0].data(), &address.sin_addr);
    const Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    for (int i = 0; i < 8; ++i) beat(*leader, 1, false, 0);
    char byte = 0;
    const ssize_t count = ::recv(socket.get(), &byte, 1, MSG_DONTWAIT);
    return count == 0 || (count < 0 && errno == ECONNRESET);
  }

  const Descriptor stop{::eventfd(0, 0)};
  WatchInvitation invitation;
  std::unique_ptr<WatchRole> leader;
  WatchMoment moment;
};

std::string frame_of(Frame frame, const std::string& content) {
  const std::uint32_t header[] = {static_cast<std::uint32_t>(frame),
                                  static_cast<std::uint32_t>(content.size())};
  return std::string(reinterpret_cast<const char*>(header), sizeof header) + content;
}

TEST_F(Roles, AHangIsToldToEveryRank) {
  const auto first = follower(1);
  const auto second = follower(2);
  for (int i = 0; i < 3; ++i) {
    for (WatchRole* role : {leader.get(), first.get(), second.get()}) {
      ASSERT_EQ(beat(*role, 57, role != first.get(), 1), std::nullopt);
    }
  }
  // A place is told once the one before was answered.
  beat(*leader, 57, true, 30);
  beat(*second, 57, true, 31);
  beat(*first, 56, false, 31);
  const auto why = beat(*leader, 57, true, 31);
  ASSERT_TRUE(why.has_value());
  EXPECT_THAT(*why, HasSubstr("rank 1 did not arrive"));
  EXPECT_EQ(beat(*first, 56, false, 32), why);
  EXPECT_EQ(beat(*second, 57, true, 32), why);
}

TEST_F(Roles, ARankThatHearsNothingOfRank0DecidesForItself) {
  const auto one = follower(1);
  for (int i = 0; i < 3; ++i) {
    beat(*one, 57, true, 1);
    beat(*leader, 56, false, 1);
  }
  EXPECT_EQ(beat(*one, 57, true, 29), std::nullopt);
  EXPECT_EQ(beat(*one, 57, true, 31), std::nullopt) << "rank 0 was heard of just now, and decides";
  moment.now += 3;
  EXPECT_THAT(beat(*one, 57, true, 35).value_or(""), HasSubstr("rank 0 did not arrive"));
}

TEST_F(Roles, ARankThatGoesWithoutAWordIsMissed) {
  auto one = follower(1);
  auto two = follower(2);
  for (int i = 0; i < 3; ++i) {
    for (WatchRole* role : {one.get(), two.get(), leader.get()}) beat(*role, 57, false, 1);
  }
  two->say_goodbye();
  two.reset();
  for (int i = 0; i < 10; ++i) {
    beat(*one, 57, false, 1);
    EXPECT_EQ(beat(*leader, 57, false, 1), std::nullopt) << "after a goodbye nothing is expected";
  }
  one.reset();
  EXPECT_EQ(beat(*leader, 57, false, 1), std::nullopt) << "the launcher has a little time";
  moment.now += kLauncherPatience;
  EXPECT_THAT(beat(*leader, 57, false, 1).value_or(""), HasSubstr("rank 1 has ended"));
}

TEST_F(Roles, StrangersAreHungUpOn) {
  EXPECT_TRUE(is_hung_up_on(frame_of(Frame::kGoodbye, "")));
  EXPECT_TRUE(is_hung_up_on(frame_of(Frame::kHello, "let me in")));
  EXPECT_TRUE(is_hung_up_on(std::string(100000, '\xff'))) << "absurd lengths";
  WatchInvitation forged = invitation;
  forged.token[31] ^= 1;
  EXPECT_TRUE(is_hung_up_on(frame_of(Frame::kHello, hello_of(forged, 1))));
  EXPECT_TRUE(is_hung_up_on(frame_of(Frame::kHello, hello_of(invitation, 3)))) << "no such rank";
  EXPECT_TRUE(is_hung_up_on(frame_of(Frame::kHello, hello_of(invitation, 0))));
  EXPECT_FALSE(is_hung_up_on(frame_of(Frame::kHello, hello_of(invitation, 1))));
  const auto other = follower(2);
  EXPECT_TRUE(is_hung_up_on("")) << "who says nothing is not waited for";
}

}  // namespace
}  // namespace elbow
