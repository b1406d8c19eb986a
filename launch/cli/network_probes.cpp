#include "launch/cli/network_probes.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <torch/types.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/text.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kElements = 1 << 20;  // a model of about a million parameters
constexpr int kRounds = 10;
constexpr std::size_t kMostHostsInPairs = 8;  // 28 pairs; above it, a ring

// The median of what `work` takes. Collective where `work` is; each round begins together.
double median_seconds(Communicator& comm, const std::function<void()>& work) {
  std::vector<double> times;
  for (int round = 0; round < kRounds + 1; ++round) {
    comm.barrier();
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    if (round > 0) times.push_back(time.count());  // the first one opens connections
  }
  std::nth_element(times.begin(), times.begin() + kRounds / 2, times.end());
  return times[kRounds / 2];
}

std::string rate_text(double bytes_per_second) {
  return bytes_per_second >= 1e9 ? fmt::format("{:.1f} GB/s", bytes_per_second / 1e9)
                                 : fmt::format("{:.0f} MB/s", bytes_per_second / 1e6);
}

// What rank `a` and rank `b` send each other in an all_reduce of their own: half of the tensor for
// the other to add, then the sums. All ranks call it.
void all_reduce_of_two(Communicator& comm, int a, int b, torch::Tensor& tensor) {
  const bool joins = comm.rank() == a || comm.rank() == b;
  const int other = comm.rank() == a ? b : a;
  const std::int64_t half = tensor.numel() / 2;
  torch::Tensor mine = comm.rank() == a ? tensor.narrow(0, 0, half) : tensor.narrow(0, half, half);
  torch::Tensor theirs =
      comm.rank() == a ? tensor.narrow(0, half, half) : tensor.narrow(0, 0, half);
  const auto exchange = [&](const torch::Tensor& outgoing, const torch::Tensor& incoming) {
    const torch::Tensor nothing = tensor.narrow(0, 0, 0);
    std::vector<torch::Tensor> send(static_cast<std::size_t>(comm.size()), nothing);
    std::vector<torch::Tensor> receive(static_cast<std::size_t>(comm.size()), nothing);
    if (joins) {
      send[static_cast<std::size_t>(other)] = outgoing;
      receive[static_cast<std::size_t>(other)] = incoming;
    }
    comm.all_to_all(send, receive);
  };
  torch::Tensor received = torch::empty({half});
  exchange(theirs, received);
  if (joins) mine.add_(received);
  exchange(mine, theirs);
}

// A free port of all interfaces; 0 where there is none.
int listen_anywhere(const Descriptor& socket) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t length = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(socket.get(), any, length) != 0 || ::listen(socket.get(), 8) != 0 ||
      ::getsockname(socket.get(), any, &length) != 0) {
    return 0;
  }
  return ntohs(address.sin_port);
}

// What keeps a connection from being made; "" when nothing does.
std::string connection_problem(const std::string& host, int port) {
  constexpr int kPatienceMilliseconds = 2000;
  addrinfo wanted{};
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  if (code != 0) return fmt::format("its name is not known: {}", ::gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), found->ai_addr, found->ai_addrlen) == 0) return "";
  if (errno != EINPROGRESS) return errno_text(errno);
  pollfd connected{socket.get(), POLLOUT, 0};
  if (::poll(&connected, 1, kPatienceMilliseconds) != 1) return "no answer within 2 s";
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  return error == 0 ? "" : errno_text(error);
}

Finding port_finding(const std::string& here, const std::string& host, int port) {
  Finding finding{host, fmt::format("its ports can be reached from {}", here), "", false};
  const std::string problem =
      port == 0 ? "it gives no port to listen on" : connection_problem(host, port);
  if (problem.empty()) return finding;
  finding.value = fmt::format("not reached from {}: {}", here, problem);
  finding.advice = fmt::format(
      "a Prometheus on {} could not have the metrics of ranks there; training works. Open the "
      "ports between the hosts, or have a Prometheus on each",
      here);
  return finding;
}

// NCCL's log, asked for while this lives; a file of this process.
class NcclLog {
 public:
  NcclLog() : path_(fs::temp_directory_path() / fmt::format("elbow-nccl-{}.log", ::getpid())) {
    ::setenv("NCCL_DEBUG", "INFO", 1);
    ::setenv("NCCL_DEBUG_SUBSYS", "INIT,P2P,SHM,NET,GRAPH,COLL", 1);
    ::setenv("NCCL_DEBUG_FILE", path_.c_str(), 1);
  }
  ~NcclLog() {
    for (const char* name : {"NCCL_DEBUG", "NCCL_DEBUG_SUBSYS", "NCCL_DEBUG_FILE"}) {
      ::unsetenv(name);
    }
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  NcclLog(const NcclLog&) = delete;
  NcclLog& operator=(const NcclLog&) = delete;

  std::string text() const {
    constexpr std::size_t kLongest = 64 << 20;
    try {
      return read_file(path_, kLongest);
    } catch (const Error&) {
      return "";  // then no transport is known
    }
  }

 private:
  fs::path path_;
};

}  // namespace

Finding probe_all_reduce(Communicator& comm) {
  torch::Tensor million = torch::zeros({kElements});
  torch::Tensor one = torch::zeros({1});
  const double long_one = median_seconds(comm, [&] { comm.all_reduce(million, Reduction::kSum); });
  const double short_one = median_seconds(comm, [&] { comm.all_reduce(one, Reduction::kSum); });
  return {"all_reduce",
          fmt::format("a million floats in {:.2f} ms ({}), one in {:.0f} us", long_one * 1e3,
                      rate_text(static_cast<double>(million.nbytes()) / long_one), short_one * 1e6),
          "", false};
}

std::vector<HostLink> measure_links(Communicator& comm, const std::vector<Placement>& places) {
  const std::vector<int> firsts = first_ranks(places);
  std::vector<HostLink> links;
  for (std::size_t i = 0; i < firsts.size(); ++i) {
    for (std::size_t j = i + 1; j < firsts.size(); ++j) {
      const bool neighbours = j == i + 1 || (i == 0 && j + 1 == firsts.size());
      if (firsts.size() > kMostHostsInPairs && !neighbours) continue;
      torch::Tensor tensor = torch::zeros({kElements});
      const double seconds =
          median_seconds(comm, [&] { all_reduce_of_two(comm, firsts[i], firsts[j], tensor); });
      // The first rank of a pair has timed it; of every pair, rank 0 has to know.
      torch::Tensor measured =
          torch::tensor({comm.rank() == firsts[i] ? seconds : 0.0}, torch::kDouble);
      comm.all_reduce(measured, Reduction::kMax);
      links.push_back({places[static_cast<std::size_t>(firsts[i])].host + " - " +
                           places[static_cast<std::size_t>(firsts[j])].host,
                       static_cast<double>(tensor.nbytes()) / measured.item<double>()});
    }
  }
  return links;
}

Findings link_findings(const std::vector<HostLink>& links) {
  std::vector<double> rates;
  for (const HostLink& link : links) rates.push_back(link.bytes_per_second);
  std::sort(rates.begin(), rates.end());
  Findings findings;
  for (const HostLink& link : links) {
    Finding finding{
        link.hosts,
        fmt::format("{} in an all_reduce of one rank each", rate_text(link.bytes_per_second)), "",
        false};
    const double usual = rates[rates.size() / 2];
    if (link.bytes_per_second < usual / 2) {
      finding.advice = fmt::format(
          "less than half of what is usual here ({}), and every step waits for the slowest: look "
          "at "
          "its cable and switch port, and at the interfaces that MPI chooses (mpirun --mca "
          "btl_tcp_if_include)",
          rate_text(usual));
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings probe_ports(Communicator& comm, const std::vector<Placement>& places) {
  const std::vector<int> firsts = first_ranks(places);
  const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::int64_t mine = listen_anywhere(socket);
  const torch::Tensor ports = comm.all_gather(torch::tensor({mine}, torch::kLong));
  Findings findings;
  for (const int rank : firsts) {
    if (comm.rank() != 0 || rank == 0) continue;
    findings.push_back(port_finding(places[0].host, places[static_cast<std::size_t>(rank)].host,
                                    static_cast<int>(ports[rank].item<std::int64_t>())));
  }
  comm.barrier();  // sockets are open until rank 0 has tried them
  return findings;
}

std::optional<Finding> probe_nccl_transport(Communicator& comm,
                                            const std::vector<Placement>& places) {
  const std::string& here = places[static_cast<std::size_t>(comm.rank())].host;
  const auto ranks_here = std::count_if(places.begin(), places.end(),
                                        [&](const Placement& place) { return place.host == here; });
  // The greatest over all ranks: whether one has no device, and whether one must share.
  torch::Tensor lack = torch::tensor(
      {std::int64_t{device_count() == 0}, std::int64_t{device_count() < ranks_here}}, torch::kLong);
  comm.all_reduce(lack, Reduction::kMax);
  if (lack[0].item<std::int64_t>() != 0) return std::nullopt;
  if (lack[1].item<std::int64_t>() != 0) {
    return Finding{"NCCL transport", "not tried: more ranks than devices",
                   "with training.device = \"cuda\" each rank needs a device of its own: start no "
                   "more ranks on a host than it has",
                   false};
  }
  const NcclLog log;
  double seconds = 0;
  {
    const auto nccl = make_nccl_communicator(comm);
    torch::Tensor tensor = torch::zeros({kElements}, torch::kCUDA);
    seconds = median_seconds(comm, [&] {
      nccl->all_reduce(tensor, Reduction::kSum);
      static_cast<void>(tensor[0].item<float>());  // waits for the device
    });
  }
  std::set<std::string> named;
  for (const std::string& list : gather_text(comm, nccl_transports(log.text()))) {
    for (const std::string& transport : split(list, ',')) {
      const auto begin = transport.find_first_not_of(' ');
      if (begin != std::string::npos) named.insert(transport.substr(begin));
    }
  }
  const std::vector<std::string> transports(named.begin(), named.end());
  return Finding{
      "NCCL transport",
      fmt::format("{}; a million floats in {:.2f} ms",
                  transports.empty() ? "one rank: no transport" : "via " + join(transports, ", "),
                  seconds * 1e3),
      "", false};
}

std::string nccl_transports(const std::string& log) {
  constexpr std::string_view kMark = " via ";
  std::set<std::string> named;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const auto mark = line.find(kMark);
    if (mark == std::string::npos || line.find("Channel ") == std::string::npos) continue;
    std::string transport;
    std::istringstream(line.substr(mark + kMark.size())) >> transport;
    if (!transport.empty()) named.insert(transport);
  }
  const std::vector<std::string> transports(named.begin(), named.end());
  return join(transports, ", ");
}

}  // namespace elbow
