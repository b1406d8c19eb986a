// What 'elbow doctor' finds out about the hosts of a job: who runs where, and by which clock.
#pragma once

#include <string>
#include <vector>

#include "launch/cli/probes.h"
#include "trainer/comm/communicator.h"

namespace elbow {

// Where a rank runs.
struct Placement {
  std::string host;
  int machine_cores = 1;
  std::vector<int> cores;  // that it may run on

  std::string to_text() const;
  static Placement from_text(const std::string& text);  // what to_text() made
};

// How far a clock is ahead of rank 0's: certainly within `error` of `seconds`.
struct ClockOffset {
  double seconds = 0;
  double error = 0;
};

Placement this_place();

// Collective; in the order of ranks.
std::vector<Placement> gather_places(Communicator& comm);

// Collective; in the order of ranks, on rank 0 (others get nothing).
std::vector<ClockOffset> measure_clocks(Communicator& comm);

// The lowest rank of each host, in the order of ranks.
std::vector<int> first_ranks(const std::vector<Placement>& places);

// A line for each host. `threads`: that each rank computes with.
Findings host_findings(const std::vector<Placement>& places, const std::vector<ClockOffset>& clocks,
                       int threads);

// "0-3, 6" for {0, 1, 2, 3, 6}
std::string ranges_text(const std::vector<int>& numbers);

}  // namespace elbow
