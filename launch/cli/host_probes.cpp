#include "launch/cli/host_probes.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <sched.h>
#include <torch/types.h>
#include <unistd.h>

#include "base/process_identity.h"
#include "base/text.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

constexpr int kClockRounds = 20;
// Beyond it, times of hosts can't be compared in logs, and the age of a file misleads.
constexpr double kLargestOffset = 1.0;

std::int64_t now_nanoseconds() {
  const auto time = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

std::string span_text(double seconds) {
  const double size = std::abs(seconds);
  if (size < 1e-3) return fmt::format("{:.0f} us", seconds * 1e6);
  return size < 1 ? fmt::format("{:.1f} ms", seconds * 1e3) : fmt::format("{:.1f} s", seconds);
}

// Of the ranks of one host.
struct HostView {
  std::string name;
  std::vector<int> ranks;
  std::set<int> cores;  // that any of them may run on
  bool bound = false;   // some rank may not run everywhere
  ClockOffset clock;
};

std::vector<HostView> by_host(const std::vector<Placement>& places,
                              const std::vector<ClockOffset>& clocks) {
  std::vector<HostView> hosts;
  std::map<std::string, std::size_t> known;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    const Placement& place = places[rank];
    const auto [entry, is_new] = known.try_emplace(place.host, hosts.size());
    if (is_new) hosts.push_back({place.host, {}, {}, false, clocks[rank]});
    HostView& host = hosts[entry->second];
    host.ranks.push_back(static_cast<int>(rank));
    host.cores.insert(place.cores.begin(), place.cores.end());
    if (static_cast<int>(place.cores.size()) < place.machine_cores) host.bound = true;
  }
  return hosts;
}

std::string cores_text(const HostView& host, const std::vector<Placement>& places) {
  if (!host.bound) return fmt::format("not bound, {}", counted(std::ssize(host.cores), "core"));
  std::vector<std::string> each;
  for (const int rank : host.ranks) {
    each.push_back(ranges_text(places[static_cast<std::size_t>(rank)].cores));
  }
  return "bound to cores " + join(each, " | ");
}

Finding finding_of(const HostView& host, const std::vector<Placement>& places, int threads) {
  Finding finding{host.name,
                  fmt::format("{} {}, {}", host.ranks.size() == 1 ? "rank" : "ranks",
                              ranges_text(host.ranks), cores_text(host, places)),
                  "", false};
  if (host.ranks.front() > 0) {
    finding.value += fmt::format(", clock {}{} (+- {})", host.clock.seconds < 0 ? "" : "+",
                                 span_text(host.clock.seconds), span_text(host.clock.error));
  }
  const auto wanted = std::ssize(host.ranks) * threads;
  if (host.bound && std::ssize(host.cores) < wanted) {
    finding.advice = fmt::format(
        "{} with {} each are bound to {}: slow. Give mpirun --map-by slot:PE={}, or --bind-to none",
        counted(std::ssize(host.ranks), "rank"), counted(threads, "thread"),
        counted(std::ssize(host.cores), "core"), threads);
  } else if (std::abs(host.clock.seconds) > kLargestOffset + host.clock.error) {
    finding.advice = fmt::format(
        "its clock is {} {} rank 0's: let all hosts follow one time server (chrony); until then "
        "times in logs and ages of files mislead, though no run fails of it",
        span_text(std::abs(host.clock.seconds)), host.clock.seconds > 0 ? "ahead of" : "behind");
  }
  return finding;
}

}  // namespace

std::string Placement::to_text() const {
  std::string text = fmt::format("{} {}", host, machine_cores);
  for (const int core : cores) text += fmt::format(" {}", core);
  return text;
}

Placement Placement::from_text(const std::string& text) {
  Placement place;
  std::istringstream in(text);
  in >> place.host >> place.machine_cores;
  for (int core = 0; in >> core;) place.cores.push_back(core);
  return place;
}

Placement this_place() {
  Placement place{this_process().host, machine_cores(), {}};
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) place.cores.push_back(core);
    }
  }
  return place;
}

std::vector<Placement> gather_places(Communicator& comm) {
  std::vector<Placement> places;
  for (const std::string& text : gather_text(comm, this_place().to_text())) {
    places.push_back(Placement::from_text(text));
  }
  return places;
}

// Every rank reads its clock at some moment between two of rank 0's: after rank 0 has entered the
// barrier, and before it has everyone's reading. The shortest such span tells most.
std::vector<ClockOffset> measure_clocks(Communicator& comm) {
  std::vector<ClockOffset> offsets(static_cast<std::size_t>(comm.size()));
  double shortest = 0;
  for (int round = 0; round < kClockRounds; ++round) {
    const std::int64_t before = now_nanoseconds();
    comm.barrier();
    const torch::Tensor all = comm.all_gather(torch::tensor({now_nanoseconds()}, torch::kLong));
    const std::int64_t after = now_nanoseconds();
    const double span = static_cast<double>(after - before) * 1e-9;
    if (round > 0 && span >= shortest) continue;
    shortest = span;
    for (std::size_t rank = 0; rank < offsets.size(); ++rank) {
      const std::int64_t reading = all.data_ptr<std::int64_t>()[rank];
      offsets[rank] = {static_cast<double>(reading - before) * 1e-9 - span / 2, span / 2};
    }
  }
  offsets[0] = {};
  return offsets;
}

std::vector<int> first_ranks(const std::vector<Placement>& places) {
  std::vector<int> ranks;
  std::set<std::string> seen;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    if (seen.insert(places[rank].host).second) ranks.push_back(static_cast<int>(rank));
  }
  return ranks;
}

Findings host_findings(const std::vector<Placement>& places, const std::vector<ClockOffset>& clocks,
                       int threads) {
  Findings findings;
  for (const HostView& host : by_host(places, clocks)) {
    findings.push_back(finding_of(host, places, threads));
  }
  return findings;
}

std::string ranges_text(const std::vector<int>& numbers) {
  std::vector<std::string> ranges;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    ranges.push_back(last == i ? fmt::format("{}", numbers[i])
                               : fmt::format("{}-{}", numbers[i], numbers[last]));
    i = last + 1;
  }
  return join(ranges, ", ");
}

}  // namespace elbow
