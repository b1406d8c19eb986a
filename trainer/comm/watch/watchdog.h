// Sees to it that no job hangs for ever: a thread beside the one that trains, and a channel beside
// MPI's.
//
// Every rank's watchdog tells rank 0's twice a second in which collective the rank is. Rank 0's
// names a rank that the others wait for as a straggler, and ends the job where a wait exceeds its
// limit, or a link is cut: every rank then says why, and exits with ExitCode::kCommunication,
// wherever its other threads are. A rank that doesn't hear of rank 0 any more decides for itself.
//
// Clocks are monotonic, and stand while the process does: a job that was suspended and continued as
// a whole has not waited. The watchdog's thread never calls MPI.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "trainer/comm/watch/board.h"
#include "trainer/comm/watch/channel.h"
#include "trainer/comm/watch/collective_call.h"
#include "trainer/comm/watch/job_options.h"

namespace elbow {

class WatchRole;
struct WatchMoment;

struct WatchFigures {
  double collective_seconds = 0;       // that this rank has spent in collectives
  std::vector<Straggling> stragglers;  // as rank 0 knows them; elsewhere none
};

class Watchdog {
 public:
  // What happens when the job must end: `why` is a whole sentence. Called by the thread.
  using End = std::function<void(const std::string& why)>;
  // Logs the reason and exits, within two seconds whatever the process's other threads hold.
  static void end_process(const std::string& why);

  // Starts the thread. `listener` is rank 0's, and null elsewhere.
  Watchdog(int rank, int size, const WatchInvitation& invitation,
           std::unique_ptr<WatchListener> listener, End end = end_process);
  ~Watchdog();  // in good order: nothing is expected of this rank any more
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // While it lives, the rank is in a collective.
  class [[nodiscard]] Inside {
   public:
    explicit Inside(Watchdog* watchdog) : watchdog_(watchdog) {}
    ~Inside() {
      if (watchdog_ != nullptr) watchdog_->leave();
    }
    Inside(Inside&& other) noexcept : watchdog_(std::exchange(other.watchdog_, nullptr)) {}
    Inside& operator=(Inside&& other) = delete;

   private:
    Watchdog* watchdog_;
  };

  // The rank comes to its `call`th collective. `prefix`, which must last, goes before its name.
  Inside enter(std::int64_t call, const CollectiveCall& what, const char* prefix = "");
  // It waits for the end of one that it has started before.
  Inside enter_again(const CollectiveCall& what);

  void set_limits(const WatchLimits& limits);
  WatchFigures figures() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Place {
    std::int64_t call = 0;
    CollectiveCall what{Collective::kBarrier};
    const char* prefix = "";
    bool inside = false;
  };

  void leave();
  double seconds_inside() const;  // with mutex_ held
  void watch(WatchRole& role);
  void look_around(WatchMoment& moment, double lived) const;

  const End end_;
  const Descriptor stop_;

  mutable std::mutex mutex_;  // of what follows, which both threads use; held for copies only
  Place place_;
  Clock::time_point entered_;
  double collective_seconds_ = 0;
  WatchLimits limits_;
  std::vector<Straggling> stragglers_;

  std::thread thread_;
};

}  // namespace elbow
