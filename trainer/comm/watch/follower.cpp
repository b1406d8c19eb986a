// The side of the ranks other than 0: says where it is, and ends when told to, or when rank 0 is
// not there any more to tell.
#include <cstring>

#include "base/error.h"
#include "base/log.h"
#include "trainer/comm/watch/role.h"

namespace elbow {
namespace {

// Of rank 0, which otherwise decides.
constexpr double kLongestSilence = 3;

class WatchFollower : public WatchRole {
 public:
  WatchFollower(int rank, const WatchInvitation& invitation, int stop)
      : rank_(rank), board_({0, rank}) {
    auto socket = connect(invitation, stop);
    if (!socket) return;
    leader_.emplace(std::move(*socket), WatchLimits().link);
    leader_->send(Frame::kHello, hello_of(invitation, rank));
    board_.hear(0, {}, 0);  // it let us in
  }

  std::vector<pollfd> events() const override {
    if (!leader_ || !leader_->open()) return {};
    const int wanted = POLLIN | (leader_->wants_to_send() ? POLLOUT : 0);
    return {{leader_->fd(), static_cast<short>(wanted), 0}};
  }

  std::optional<std::string> step(const WatchMoment& moment) override {
    now_ = moment.now;
    board_.hear(rank_, moment.place, now_);
    if (leader_) hear();
    if (told_) return told_;
    if (now_ < next_beat_) return std::nullopt;
    next_beat_ = now_ + kWatchBeat;
    if (leader_) report(moment);
    return judge(moment.limits);
  }

  void say_goodbye() override {
    if (leader_) leader_->send(Frame::kGoodbye, "");
  }

 private:
  void hear() {
    for (const auto& [frame, content] : leader_->exchange()) {
      if (frame == Frame::kEnd) {
        told_ = content;
      } else if (frame == Frame::kGoodbye) {
        board_.excuse(0);
        leads_ = false;
      } else if (const auto place = parse_place(content); frame == Frame::kPlace && place) {
        board_.hear(0, *place, now_);
        answered_ = true;
      }
    }
    if (!leader_->open() && leads_ && !gone_) gone_ = now_;
  }

  // One report at a time is under way: a rank 0 that is stopped finds no heap of them, which would
  // fill its socket and look like a cut link.
  void report(const WatchMoment& moment) {
    if (moment.limits.link != link_limit_) {
      link_limit_ = moment.limits.link;
      leader_->set_patience(link_limit_);
    }
    if (!answered_) return;
    answered_ = false;
    leader_->send(Frame::kPlace, place_text(moment.place));
  }

  std::optional<std::string> judge(const WatchLimits& limits) const {
    if (gone_ && leader_->error() != 0) {
      return fmt::format("the link between rank {} and rank 0 is cut: {}", rank_,
                         errno_text(leader_->error()));
    }
    if (gone_ && now_ - *gone_ > kLauncherPatience) {
      return "rank 0 has ended without a word: see what its host says of it";
    }
    const bool led = leader_ && leads_ && board_.silence(0, now_) <= kLongestSilence;
    return led ? std::nullopt : board_.hang(limits.collective, now_);
  }

  const int rank_;
  WatchBoard board_;  // of rank 0 and this one
  std::optional<WatchConnection> leader_;
  bool leads_ = true;  // until it says goodbye
  bool answered_ = true;
  double link_limit_ = 0;
  std::optional<double> gone_;  // since when, without a goodbye
  std::optional<std::string> told_;
  double now_ = 0;
  double next_beat_ = 0;
};

}  // namespace

std::unique_ptr<WatchRole> make_watch_follower(int rank, const WatchInvitation& invitation,
                                               int stop) {
  return std::make_unique<WatchFollower>(rank, invitation, stop);
}

std::string place_text(const RankPlace& place) {
  return {reinterpret_cast<const char*>(&place), sizeof place};
}

std::optional<RankPlace> parse_place(const std::string& content) {
  RankPlace place;
  if (content.size() != sizeof place) return std::nullopt;
  std::memcpy(&place, content.data(), sizeof place);
  place.operation[sizeof place.operation - 1] = '\0';
  return place;
}

}  // namespace elbow
