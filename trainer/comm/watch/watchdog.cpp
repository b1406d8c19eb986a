#include "trainer/comm/watch/watchdog.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "trainer/comm/watch/role.h"

namespace elbow {
namespace {

// Steps come at least every beat. A process whose step comes later than this stood still.
constexpr double kLongestStep = 3;
constexpr std::chrono::seconds kLastWords{1};

}  // namespace

Watchdog::Watchdog(int rank, int size, const WatchInvitation& invitation,
                   std::unique_ptr<WatchListener> listener, End end)
    : end_(std::move(end)), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!stop_.valid()) {
    log::warning("no watchdog on rank {} ({}): hangs are not noticed there", rank,
                 errno_text(errno));
    return;
  }
  // Signals are for the other threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this, rank, size, invitation, mine = std::move(listener)]() mutable {
    try {
      watch(*(mine ? make_watch_leader(size, std::move(mine))
                   : make_watch_follower(rank, invitation, stop_.get())));
    } catch (const std::exception& error) {
      log::warning("the watchdog of rank {} has ended ({}): hangs are not noticed there any more",
                   rank, error.what());
    }
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Watchdog::~Watchdog() {
  if (!thread_.joinable()) return;
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void Watchdog::end_process(const std::string& why) {
  // By a thread of its own, since another one may hold the log for ever: its disk may hang.
  std::thread([why] { log::error("{}", why); }).detach();
  // Time for that, and for the other ranks to say so as well: the launcher kills them when one
  // goes.
  std::this_thread::sleep_for(kLastWords);
  std::_Exit(static_cast<int>(ExitCode::kCommunication));
}

Watchdog::Inside Watchdog::enter(std::int64_t call, const CollectiveCall& what,
                                 const char* prefix) {
  const std::lock_guard held(mutex_);
  place_ = {call, what, prefix, true};
  entered_ = Clock::now();
  return Inside(this);
}

Watchdog::Inside Watchdog::enter_again(const CollectiveCall& what) {
  const std::lock_guard held(mutex_);
  place_ = {place_.call, what, "the end of ", true};
  entered_ = Clock::now();
  return Inside(this);
}

void Watchdog::leave() {
  const std::lock_guard held(mutex_);
  place_.inside = false;
  collective_seconds_ += seconds_inside();
}

void Watchdog::set_limits(const WatchLimits& limits) {
  const std::lock_guard held(mutex_);
  limits_ = limits;
}

WatchFigures Watchdog::figures() const {
  const std::lock_guard held(mutex_);
  const double unfinished = place_.inside ? seconds_inside() : 0;
  return {collective_seconds_ + unfinished, stragglers_};
}

// The clock is read with the lock held, as it is when a rank enters: else who comes first to the
// lock might have the later time, and the sum would go back.
double Watchdog::seconds_inside() const {
  return std::chrono::duration<double>(Clock::now() - entered_).count();
}

void Watchdog::watch(WatchRole& role) {
  WatchMoment moment;
  auto before = Clock::now();
  while (true) {
    std::vector<pollfd> events = role.events();
    events.push_back({stop_.get(), POLLIN, 0});
    ::poll(events.data(), events.size(), static_cast<int>(kWatchBeat * 1000));
    if (events.back().revents != 0) break;
    const auto now = Clock::now();
    const double elapsed = std::chrono::duration<double>(now - before).count();
    before = now;
    moment.stood_still = elapsed > kLongestStep ? elapsed : 0;
    const double lived = std::min(elapsed, kLongestStep);
    moment.now += lived;
    look_around(moment, lived);
    if (const auto why = role.step(moment)) {
      return end_(
          *why + "; the job ends: start it again, and a training resumes from its last checkpoint");
    }
    const std::lock_guard held(mutex_);
    stragglers_ = role.stragglers();
  }
  role.say_goodbye();
}

// Where this rank is now, and since when: that is counted here, so that neither the thread that
// trains has to, nor time counts in which the process stood still.
void Watchdog::look_around(WatchMoment& moment, double lived) const {
  Place place;
  {
    const std::lock_guard held(mutex_);
    place = place_;
    moment.limits = limits_;
  }
  RankPlace& told = moment.place;
  const bool same = told.call == place.call && told.inside == place.inside;
  told.seconds = same ? told.seconds + lived : 0;
  told.call = place.call;
  told.inside = place.inside;
  const std::string text = place.call == 0 ? "" : place.prefix + place.what.text();
  told.operation[text.copy(told.operation, sizeof told.operation - 1)] = '\0';
}

}  // namespace elbow
