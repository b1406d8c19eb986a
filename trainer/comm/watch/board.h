// What a watchdog knows of the ranks: where each of them is in the sequence of collectives, when it
// was last heard of, and what follows from that.
//
// Times are seconds on the watchdog's own clock (see watchdog.h). Pure, and not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace elbow {

// Where a rank is: in its `call`th collective, or between that and the next. As it is sent.
struct RankPlace {
  std::int64_t call = 0;    // counted from 1; 0 before the first
  double seconds = 0;       // for how long it has been there
  char operation[79] = "";  // what the collective is, ended by a zero
  bool inside = false;
};

// How the ranks have waited for one of them.
struct Straggling {
  int rank = 0;
  std::int64_t times = 0;  // that it was named
  double seconds = 0;      // for which they wait now
};

class WatchBoard {
 public:
  // Of the ranks of a job, those whose places this one is told.
  explicit WatchBoard(const std::vector<int>& ranks);

  void hear(int rank, const RankPlace& place, double now);
  // It has ended in good order: from now on nothing is expected of it.
  void excuse(int rank);
  // Seconds since it was heard of; 0 before the first time.
  double silence(int rank, double now) const;

  // Why the job must end, naming the call, who is missing at it and where they are instead; nothing
  // while it may go on.
  std::optional<std::string> hang(double limit, double now) const;

  // Sentences for the log: a rank has become a straggler, or is one no longer. Each is given once.
  std::vector<std::string> news(double patience, double now);
  // This process itself stood still, which nobody else could tell.
  std::string stood_still(int rank, double seconds);
  // Of the ranks that have been stragglers.
  std::vector<Straggling> stragglers() const;

 private:
  struct Seat {
    RankPlace place;
    double heard = 0;
    bool known = false;  // was heard of
    bool excused = false;
    bool late = false;  // and named
    double late_since = 0;
    std::int64_t late_call = 0;
    Straggling straggling;
  };
  struct Wait {
    std::int64_t call = 0;  // 0: nobody waits
    double seconds = 0;
    std::string operation;
  };

  bool is_silent(const Seat& seat, double patience, double now) const;
  Wait longest_wait(double patience) const;
  std::string whereabouts(const Seat& seat, double now) const;
  std::set<int> awaited(const Wait& wait, double now) const;
  std::string absent(const Wait& wait, double now) const;

  std::map<int, Seat> seats_;  // by rank
};

}  // namespace elbow
