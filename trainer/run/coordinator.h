// The coordinator decides when the job saves, validates, compares its replicas and stops, and has
// all ranks agree (law 7). Rank 0's clock decides for all.
#pragma once

#include <chrono>

#include "base/interval.h"
#include "trainer/comm/communicator.h"

namespace elbow {

enum class Stop { kNo, kSignal, kTimeLimit };

// What the ranks do after a step; the same on all.
struct Decisions {
  Stop stop = Stop::kNo;
  bool validate = false;
  bool save = false;
  bool compare = false;
  bool any_busy = false;  // some rank's background work goes on
};

struct Schedule {
  Interval validate;
  Interval save;
  Interval compare;
  double time_limit = 0;  // seconds after which the job saves and stops; 0: none
};

class Coordinator {
 public:
  // Time counts from now on.
  Coordinator(Communicator& comm, const Schedule& schedule);

  // Collective, after a step, which must be the same on all ranks (SharedError). `position` but for
  // its seconds, which the coordinator knows. `stop_requested` and `busy` are this rank's own.
  Decisions agree(IntervalPosition position, bool stop_requested, bool busy);

 private:
  using Clock = std::chrono::steady_clock;

  // Whether it is time, from which on time counts anew.
  static bool due_now(const Interval& interval, IntervalPosition position, Clock::time_point& last);

  Communicator& comm_;
  Schedule schedule_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point validated_ = started_;
  Clock::time_point saved_ = started_;
  Clock::time_point compared_ = started_;
};

}  // namespace elbow
