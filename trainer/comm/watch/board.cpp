#include "trainer/comm/watch/board.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/text.h"

namespace elbow {
namespace {

// Places are told twice a second: who is silent for longer doesn't run.
constexpr double kSilence = 2;
constexpr std::size_t kMostNamed = 4;

std::string call_text(std::int64_t call, const std::string& operation) {
  return call == 0 ? "the beginning" : fmt::format("call {} ({})", call, operation);
}

}  // namespace

WatchBoard::WatchBoard(const std::vector<int>& ranks) {
  for (const int rank : ranks) seats_[rank].straggling.rank = rank;
}

void WatchBoard::hear(int rank, const RankPlace& place, double now) {
  Seat& who = seats_.at(rank);
  who.place = place;
  who.heard = now;
  who.known = true;
}

void WatchBoard::excuse(int rank) { seats_.at(rank).excused = true; }

double WatchBoard::silence(int rank, double now) const {
  const Seat& who = seats_.at(rank);
  return who.known && !who.excused ? now - who.heard : 0;
}

bool WatchBoard::is_silent(const Seat& seat, double patience, double now) const {
  return seat.known && !seat.excused && now - seat.heard > patience;
}

// When a rank has waited for longer than `patience`: the call in which most ranks wait, of several
// the last. Those that came to theirs a little later count as well.
WatchBoard::Wait WatchBoard::longest_wait(double patience) const {
  std::map<std::int64_t, int> waiting;
  bool long_enough = false;
  for (const auto& [rank, seat] : seats_) {
    if (seat.excused || !seat.place.inside || seat.place.seconds <= patience / 2) continue;
    ++waiting[seat.place.call];
    long_enough = long_enough || seat.place.seconds > patience;
  }
  Wait wait;
  if (!long_enough) return wait;
  wait.call = std::max_element(waiting.begin(), waiting.end(), [](const auto& a, const auto& b) {
                return a.second <= b.second;
              })->first;
  for (const auto& [rank, seat] : seats_) {
    if (!seat.place.inside || seat.place.call != wait.call) continue;
    wait.seconds = std::max(wait.seconds, seat.place.seconds);
    wait.operation = seat.place.operation;
  }
  return wait;
}

std::string WatchBoard::whereabouts(const Seat& seat, double now) const {
  if (!seat.known) return "it was never heard of";
  const std::string call = call_text(seat.place.call, seat.place.operation);
  if (is_silent(seat, kSilence, now)) {
    return fmt::format("it is stopped, or its host is: not heard of for {}, then {} {}",
                       human_duration(now - seat.heard), seat.place.inside ? "in" : "after", call);
  }
  const std::string time = human_duration(seat.place.seconds);
  return seat.place.inside
             ? fmt::format("it has been in {} for {}", call, time)
             : fmt::format("it has been outside of collectives for {}, since {}", time, call);
}

// Whom the ranks in a call wait for. Who is in an earlier one may wait there itself: for a rank
// that is silent, else for one that is not in a collective, else for those that are the furthest
// behind.
std::set<int> WatchBoard::awaited(const Wait& wait, double now) const {
  std::set<int> silent;
  std::set<int> outside;
  std::map<std::int64_t, std::set<int>> behind;
  for (const auto& [rank, seat] : seats_) {
    if (seat.excused) continue;
    if (is_silent(seat, kSilence, now)) silent.insert(rank);
    if (seat.place.call >= wait.call) continue;
    if (!seat.place.inside) outside.insert(rank);
    behind[seat.place.call].insert(rank);
  }
  if (!silent.empty()) return silent;
  if (!outside.empty() || behind.empty()) return outside;
  return behind.begin()->second;
}

// "rank 1 did not arrive; it has been in call 56 (barrier) for 3.0 s", for each who is missing.
std::string WatchBoard::absent(const Wait& wait, double now) const {
  std::set<int> missing = awaited(wait, now);
  const bool nobody_late = missing.empty();
  for (const auto& [rank, seat] : seats_) {
    const bool there = seat.place.inside && seat.place.call == wait.call;
    if (nobody_late && !there && !seat.excused) missing.insert(rank);
  }
  if (missing.empty()) return "all ranks are in it: the network between them may be at fault";
  std::vector<std::string> texts;
  for (const int rank : missing) {
    if (texts.size() == kMostNamed) break;
    const Seat& seat = seats_.at(rank);
    const char* what = seat.place.call < wait.call ? "did not arrive"
                       : seat.place.call == wait.call && seat.place.inside
                           ? "stands still in it"
                           : "has left it before the others";
    texts.push_back(fmt::format("rank {} {}; {}", rank, what, whereabouts(seat, now)));
  }
  if (missing.size() > kMostNamed) {
    texts.push_back(fmt::format("and {} more", missing.size() - kMostNamed));
  }
  return join(texts, "; ");
}

std::optional<std::string> WatchBoard::hang(double limit, double now) const {
  const auto silent = std::find_if(seats_.begin(), seats_.end(), [&](const auto& one) {
    return is_silent(one.second, limit, now);
  });
  Wait wait = longest_wait(limit);
  if (wait.call == 0 && silent == seats_.end()) return std::nullopt;
  if (wait.call == 0) wait = longest_wait(0);  // who waits for the silent one, or will
  const std::string limit_text = fmt::format("(job.collective_limit is {})", human_duration(limit));
  if (wait.call == 0) {
    return fmt::format("rank {} stands still {}: {}", silent->first, limit_text,
                       whereabouts(silent->second, now));
  }
  return fmt::format("{} has lasted {} {}: {}", call_text(wait.call, wait.operation),
                     human_duration(wait.seconds), limit_text, absent(wait, now));
}

std::vector<std::string> WatchBoard::news(double patience, double now) {
  std::vector<std::string> sentences;
  const Wait wait = longest_wait(patience);
  const std::set<int> late = wait.call > 0 ? awaited(wait, now) : std::set<int>();
  for (auto& [rank, seat] : seats_) {
    const bool silent = is_silent(seat, std::max(patience, kSilence), now);
    const bool awaited = late.contains(rank);
    if (seat.late) {
      seat.straggling.seconds = now - seat.late_since;
      if (seat.excused || (!silent && seat.place.call >= seat.late_call)) {
        sentences.push_back(
            fmt::format("rank {} went on after {}", rank, human_duration(seat.straggling.seconds)));
        seat.late = false;
        seat.straggling.seconds = 0;
      }
    } else if (silent || awaited) {
      seat.late = true;
      seat.late_since = now - (awaited ? wait.seconds : now - seat.heard);
      seat.late_call = awaited ? wait.call : seat.place.call;
      seat.straggling.seconds = now - seat.late_since;
      ++seat.straggling.times;
      sentences.push_back(fmt::format(
          "rank {} is a straggler: {}{}", rank, whereabouts(seat, now),
          awaited ? fmt::format(", and others have waited {} for it in {}",
                                human_duration(wait.seconds), call_text(wait.call, wait.operation))
                  : ""));
    }
  }
  return sentences;
}

std::string WatchBoard::stood_still(int rank, double seconds) {
  ++seats_.at(rank).straggling.times;
  return fmt::format("rank {} is a straggler: it stood still for {}", rank,
                     human_duration(seconds));
}

std::vector<Straggling> WatchBoard::stragglers() const {
  std::vector<Straggling> found;
  for (const auto& [rank, seat] : seats_) {
    if (seat.straggling.times > 0) found.push_back(seat.straggling);
  }
  return found;
}

}  // namespace elbow
