// Rank 0's side of the watchdog: hears where all ranks are, and decides.
#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/log.h"
#include "trainer/comm/watch/role.h"

namespace elbow {
namespace {

// Strangers who connect and show no token are hung up on after this long, and are few at a time.
constexpr double kHelloPatience = 5;
constexpr std::size_t kMostStrangers = 64;

std::vector<int> ranks_below(int size) {
  std::vector<int> ranks(static_cast<std::size_t>(size));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

class WatchLeader : public WatchRole {
 public:
  WatchLeader(int size, std::unique_ptr<WatchListener> listener)
      : size_(size), listener_(std::move(listener)), board_(ranks_below(size)) {}

  std::vector<pollfd> events() const override {
    std::vector<pollfd> events;
    const auto add = [&](const WatchConnection& connection) {
      if (!connection.open()) return;
      const int wanted = POLLIN | (connection.wants_to_send() ? POLLOUT : 0);
      events.push_back({connection.fd(), static_cast<short>(wanted), 0});
    };
    if (strangers_.size() < kMostStrangers) {
      for (const int fd : listener_->fds()) events.push_back({fd, POLLIN, 0});
    }
    for (const Stranger& stranger : strangers_) add(stranger.connection);
    for (const auto& [rank, peer] : peers_) add(peer.connection);
    return events;
  }

  std::optional<std::string> step(const WatchMoment& moment) override {
    now_ = moment.now;
    board_.hear(0, moment.place, now_);
    welcome(moment.limits.link, moment.place);
    set_link_limit(moment.limits.link);
    for (auto& [rank, peer] : peers_) hear(rank, peer, moment.place);
    if (moment.stood_still > moment.limits.straggler) {
      log::warning("{}", board_.stood_still(0, moment.stood_still));
    }
    if (now_ < next_beat_) return std::nullopt;
    next_beat_ = now_ + kWatchBeat;
    for (const std::string& sentence : board_.news(moment.limits.straggler, now_)) {
      log::warning("{}", sentence);
    }
    auto why = lost_peer();
    if (!why) why = board_.hang(moment.limits.collective, now_);
    if (why) tell_all(Frame::kEnd, *why);
    return why;
  }

  std::vector<Straggling> stragglers() const override { return board_.stragglers(); }

  void say_goodbye() override { tell_all(Frame::kGoodbye, ""); }

 private:
  struct Stranger {
    WatchConnection connection;
    double since;
  };
  struct Peer {
    WatchConnection connection;
    bool gone_well = false;
    std::optional<double> gone = {};  // since when, without a goodbye
  };

  void welcome(double link_limit, const RankPlace& own) {
    while (strangers_.size() < kMostStrangers) {
      auto socket = listener_->accept();
      if (!socket) break;
      strangers_.push_back({WatchConnection(std::move(*socket), link_limit), now_});
    }
    std::vector<Stranger> waiting;
    for (Stranger& stranger : strangers_) {
      const auto frames = stranger.connection.exchange();
      if (frames.empty()) {
        const bool patient = now_ - stranger.since < kHelloPatience;
        if (stranger.connection.open() && patient) waiting.push_back(std::move(stranger));
        continue;
      }
      const auto& [frame, content] = frames.front();
      const auto rank = frame == Frame::kHello ? listener_->rank_of(content) : std::nullopt;
      if (!rank || *rank <= 0 || *rank >= size_ || peers_.contains(*rank)) continue;
      Peer& peer = peers_.emplace(*rank, Peer{std::move(stranger.connection)}).first->second;
      board_.hear(*rank, {}, now_);
      take(*rank, peer, frames, own);  // what it has said in the same breath
    }
    strangers_ = std::move(waiting);
  }

  void set_link_limit(double limit) {
    if (limit == link_limit_) return;
    link_limit_ = limit;
    for (auto& [rank, peer] : peers_) peer.connection.set_patience(limit);
  }

  void hear(int rank, Peer& peer, const RankPlace& own) {
    take(rank, peer, peer.connection.exchange(), own);
    if (!peer.connection.open() && !peer.gone_well && !peer.gone) peer.gone = now_;
  }

  void take(int rank, Peer& peer, const std::vector<std::pair<Frame, std::string>>& frames,
            const RankPlace& own) {
    for (const auto& [frame, content] : frames) {
      if (frame == Frame::kGoodbye) {
        peer.gone_well = true;
        board_.excuse(rank);
      } else if (const auto place = parse_place(content); frame == Frame::kPlace && place) {
        board_.hear(rank, *place, now_);
        peer.connection.send(Frame::kPlace, place_text(own));
      }
    }
  }

  std::optional<std::string> lost_peer() const {
    for (const auto& [rank, peer] : peers_) {
      if (!peer.gone) continue;
      if (const int error = peer.connection.error(); error != 0) {
        return fmt::format("the link between rank 0 and rank {} is cut: {}", rank,
                           errno_text(error));
      }
      if (now_ - *peer.gone > kLauncherPatience) {
        return fmt::format("rank {} has ended without a word: see what its host says of it", rank);
      }
    }
    return std::nullopt;
  }

  void tell_all(Frame frame, const std::string& content) {
    for (auto& [rank, peer] : peers_) peer.connection.send(frame, content);
  }

  const int size_;
  const std::unique_ptr<WatchListener> listener_;
  WatchBoard board_;
  std::vector<Stranger> strangers_;
  std::map<int, Peer> peers_;
  double link_limit_ = 0;
  double now_ = 0;
  double next_beat_ = 0;
};

}  // namespace

std::unique_ptr<WatchRole> make_watch_leader(int size, std::unique_ptr<WatchListener> listener) {
  return std::make_unique<WatchLeader>(size, std::move(listener));
}

}  // namespace elbow
