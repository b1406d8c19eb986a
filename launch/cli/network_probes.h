// What 'elbow doctor' measures between the ranks of a job.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launch/cli/host_probes.h"
#include "launch/cli/probes.h"
#include "trainer/comm/communicator.h"

namespace elbow {

// Between two hosts, one rank of each, while the others are quiet.
struct HostLink {
  std::string hosts;            // "n1 - n2"
  double bytes_per_second = 0;  // of what is summed
};

// Collective, as all of these; the findings are rank 0's. An all_reduce over all ranks, as a step
// of training waits for it.
Finding probe_all_reduce(Communicator& comm);

// Of each pair of hosts; of many hosts, of each and the next one.
std::vector<HostLink> measure_links(Communicator& comm, const std::vector<Placement>& places);
Findings link_findings(const std::vector<HostLink>& links);

// Whether what a rank serves can be had from rank 0's host, as Prometheus would.
Findings probe_ports(Communicator& comm, const std::vector<Placement>& places);

// How NCCL carries tensors between the devices of this job, and how fast; nothing where a rank has
// no device.
std::optional<Finding> probe_nccl_transport(Communicator& comm,
                                            const std::vector<Placement>& places);

// The transports that NCCL names in its log: "P2P/CUMEM, NET/Socket/0".
std::string nccl_transports(const std::string& log);

}  // namespace elbow
