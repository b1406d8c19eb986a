#include "trainer/comm/watch/board.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace elbow {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

RankPlace place(std::int64_t call, bool inside, double seconds,
                const std::string& operation = "all_reduce of 5 Float") {
  RankPlace place;
  place.call = call;
  place.inside = inside;
  place.seconds = seconds;
  place.operation[operation.copy(place.operation, sizeof place.operation - 1)] = '\0';
  return place;
}

class Board : public testing::Test {
 protected:
  // All at `now`; rank 1 lags.
  void wait_for_rank_1(double seconds, double now) {
    board.hear(0, place(57, true, seconds), now);
    board.hear(2, place(57, true, seconds), now);
    board.hear(1, place(56, false, seconds, "barrier"), now);
  }

  WatchBoard board{{0, 1, 2}};
};

TEST_F(Board, NamesWhoDidNotArriveAndWhereItIsInstead) {
  wait_for_rank_1(29.5, 100);
  EXPECT_EQ(board.hang(30, 100), std::nullopt);
  wait_for_rank_1(31, 101);
  EXPECT_EQ(
      board.hang(30, 101),
      "call 57 (all_reduce of 5 Float) has lasted 31 s (job.collective_limit is 30 s): rank 1 "
      "did not arrive; it has been outside of collectives for 31 s, since call 56 (barrier)");
  EXPECT_EQ(board.hang(std::numeric_limits<double>::infinity(), 101), std::nullopt);
}

TEST_F(Board, KnowsARankThatIsStoppedByItsSilence) {
  for (const bool inside : {false, true}) {
    board.hear(1, place(inside ? 57 : 56, inside, 0.5), 70);
    board.hear(0, place(57, true, 31), 101);
    board.hear(2, place(57, true, 31), 101);
    EXPECT_THAT(board.hang(30, 101).value_or(""),
                AllOf(HasSubstr(inside ? "rank 1 stands still in it" : "rank 1 did not arrive"),
                      HasSubstr("not heard of for 31 s"), Not(HasSubstr("rank 0 ")),
                      Not(HasSubstr("rank 2 "))));
  }
}

// The others may be held up where the watchdog doesn't look: on a device.
TEST_F(Board, EndsTheJobForASilentRankAlthoughNobodyWaitsInACollective) {
  for (const int rank : {0, 1, 2}) board.hear(rank, place(57, false, 1), 10);
  for (const int rank : {0, 2}) board.hear(rank, place(57, false, 31), 41);
  EXPECT_THAT(board.hang(30, 41).value_or(""),
              AllOf(HasSubstr("rank 1 stands still"), HasSubstr("not heard of for 31 s")));
}

TEST_F(Board, NamesWhoHasGoneAhead) {
  board.hear(0, place(64, true, 29.5), 100);
  board.hear(2, place(64, true, 29.5), 100);
  board.hear(1, place(66, true, 31, "the end of the program"), 100);
  EXPECT_THAT(board.hang(30, 100).value_or(""),
              AllOf(HasSubstr("call 64"), HasSubstr("rank 1 has left it before the others"),
                    HasSubstr("in call 66 (the end of the program)")));
}

// A broadcast's root goes on while the others are held up by one of them.
TEST_F(Board, BlamesNobodyWhoWaitsToo) {
  board.hear(0, place(61, true, 31), 100);
  board.hear(2, place(60, true, 31), 100);
  board.hear(1, place(59, false, 31), 100);
  EXPECT_THAT(board.hang(30, 100).value_or(""),
              AllOf(HasSubstr("rank 1 did not arrive"), Not(HasSubstr("rank 2"))));
  board.hear(1, place(58, true, 31), 100);
  EXPECT_THAT(board.news(30, 100), ElementsAre(HasSubstr("rank 1 is a straggler")));
}

TEST_F(Board, SaysSoWhenAllAreThere) {
  for (const int rank : {0, 1, 2}) board.hear(rank, place(64, true, 31), 100);
  EXPECT_THAT(board.hang(30, 100).value_or(""), HasSubstr("all ranks are in it"));
}

TEST_F(Board, WaitsForNobodyWhoHasEnded) {
  wait_for_rank_1(31, 100);
  board.excuse(0);
  board.excuse(2);
  EXPECT_EQ(board.hang(30, 100), std::nullopt);
  EXPECT_EQ(board.silence(2, 200), 0);
}

TEST_F(Board, NamesAStragglerOnceAndSaysWhenItGoesOn) {
  wait_for_rank_1(9, 100);
  EXPECT_THAT(board.news(10, 100), IsEmpty());
  EXPECT_THAT(board.stragglers(), IsEmpty());
  wait_for_rank_1(11, 102);
  EXPECT_THAT(board.news(10, 102),
              ElementsAre(AllOf(HasSubstr("rank 1 is a straggler"), HasSubstr("waited 11 s"),
                                HasSubstr("call 57 (all_reduce of 5 Float)"))));
  wait_for_rank_1(14, 105);
  EXPECT_THAT(board.news(10, 105), IsEmpty());
  ASSERT_EQ(board.stragglers().size(), 1u);
  EXPECT_EQ(board.stragglers()[0].rank, 1);
  EXPECT_EQ(board.stragglers()[0].times, 1);
  EXPECT_EQ(board.stragglers()[0].seconds, 14);
  for (const int rank : {0, 1, 2}) board.hear(rank, place(58, false, 0), 106);
  EXPECT_THAT(board.news(10, 106), ElementsAre("rank 1 went on after 15 s"));
  EXPECT_EQ(board.stragglers()[0].times, 1);
  EXPECT_EQ(board.stragglers()[0].seconds, 0);
}

TEST_F(Board, NamesARankThatFallsSilentInsideACollective) {
  for (const int rank : {0, 1, 2}) board.hear(rank, place(57, true, 0), 100);
  for (const int rank : {0, 2}) board.hear(rank, place(57, true, 11), 111);
  EXPECT_THAT(board.news(10, 111),
              ElementsAre(AllOf(HasSubstr("rank 1 is a straggler: it is stopped"),
                                HasSubstr("not heard of for 11 s, then in call 57"))));
  board.hear(1, place(57, true, 1), 112);
  EXPECT_THAT(board.news(10, 112), ElementsAre(HasSubstr("rank 1 went on after 12 s")));
}

TEST_F(Board, CountsWhatNobodyElseCouldSee) {
  EXPECT_EQ(board.stood_still(0, 12), "rank 0 is a straggler: it stood still for 12 s");
  ASSERT_EQ(board.stragglers().size(), 1u);
  EXPECT_EQ(board.stragglers()[0].rank, 0);
}

}  // namespace
}  // namespace elbow
