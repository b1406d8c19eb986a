// What a watchdog does, step by step: rank 0's leads, the others follow. One thread calls.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <poll.h>

#include "trainer/comm/watch/board.h"
#include "trainer/comm/watch/channel.h"
#include "trainer/comm/watch/job_options.h"

namespace elbow {

// How often a rank says where it is.
inline constexpr double kWatchBeat = 0.5;
// A peer that has gone without a goodbye is usually the launcher's affair, which ends the job in
// about a second and with the exit code of that rank.
inline constexpr double kLauncherPatience = 4;

// What a step goes by.
struct WatchMoment {
  double now = 0;          // on the watchdog's clock
  double stood_still = 0;  // before this step, the process as a whole
  RankPlace place;         // where this rank is
  WatchLimits limits;
};

class WatchRole {
 public:
  virtual ~WatchRole() = default;

  // What to wait for, but no longer than a beat.
  virtual std::vector<pollfd> events() const = 0;
  // Sends and receives what there is, and judges. Why the job must end, when it must.
  virtual std::optional<std::string> step(const WatchMoment& moment) = 0;
  virtual std::vector<Straggling> stragglers() const { return {}; }
  // Tells the others that this rank ends in good order.
  virtual void say_goodbye() = 0;
};

std::unique_ptr<WatchRole> make_watch_leader(int size, std::unique_ptr<WatchListener> listener);

// Connects first, which takes up to a few seconds, unless `stop` can be read from before.
std::unique_ptr<WatchRole> make_watch_follower(int rank, const WatchInvitation& invitation,
                                               int stop);

std::string place_text(const RankPlace& place);                    // as bytes, to be sent
std::optional<RankPlace> parse_place(const std::string& content);  // nothing when it is none

}  // namespace elbow
