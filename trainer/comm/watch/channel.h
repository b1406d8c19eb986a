// The sockets of the watchdog: TCP between rank 0 and each other rank, beside MPI.
//
// Nothing here waits, but for connect(), which is bounded. Not thread-safe: one thread uses it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/descriptor.h"

namespace elbow {

// How a rank finds rank 0, and what it shows there. Passed on through MPI, as bytes.
struct WatchInvitation {
  static constexpr std::size_t kMostAddresses = 4;
  using Address = std::array<char, 64>;  // in numbers, ended by a zero

  std::array<Address, kMostAddresses> addresses{};  // empty where there are fewer
  std::array<std::uint16_t, kMostAddresses> ports{};
  std::array<unsigned char, 32> token{};
};

// The addresses of this host by which others might reach it, as bytes that MPI can gather.
using HostAddresses = std::array<WatchInvitation::Address, 8>;
HostAddresses host_addresses();

enum class Frame : std::uint32_t {
  kHello = 1,  // token and rank; the first
  kPlace,      // a RankPlace: a report of a rank, or rank 0's in answer to it
  kEnd,        // the job must end: a sentence
  kGoodbye     // the sender ends in good order
};

// One end of a connection that carries frames. A peer's frame is never longer than kLongestFrame.
class WatchConnection {
 public:
  static constexpr std::size_t kLongestFrame = 4096;

  // `socket` is connected, or about to be. A link that carries nothing for `patience` seconds is
  // cut: TCP itself asks the other host, whose kernel answers also for a process that is stopped.
  WatchConnection(Descriptor socket, double patience);

  int fd() const { return socket_.get(); }
  void set_patience(double patience);

  void send(Frame frame, const std::string& content);
  // Frames that have come since, and what could not be sent before is. A peer that breaks the
  // protocol is hung up on.
  std::vector<std::pair<Frame, std::string>> exchange();
  bool wants_to_send() const { return !unsent_.empty(); }

  bool open() const { return socket_.valid(); }
  // Why it is no longer open: 0 when the peer has closed it, else what happened to the link.
  int error() const { return error_; }

 private:
  void flush();
  void close(int error);

  Descriptor socket_;
  std::string unsent_;
  std::string received_;
  int error_ = 0;
};

// Rank 0's ear. Throws CommError where nothing can be listened at.
class WatchListener {
 public:
  // Listens where `peers`, of other hosts, reach this one, and nowhere else; on the loopback
  // interface when there are none.
  explicit WatchListener(const std::vector<HostAddresses>& peers);

  const WatchInvitation& invitation() const { return invitation_; }
  std::vector<int> fds() const;

  // A connection that waits to be taken, if there is one.
  std::optional<Descriptor> accept();
  // The rank that a hello comes from; nothing when it doesn't show the token.
  std::optional<int> rank_of(const std::string& hello) const;

 private:
  WatchInvitation invitation_;
  std::vector<Descriptor> sockets_;
};

// A rank's way to rank 0: the first address that answers within a second or so, if any does. Gives
// up as soon as `stop` can be read from.
std::optional<Descriptor> connect(const WatchInvitation& invitation, int stop);

std::string hello_of(const WatchInvitation& invitation, int rank);

}  // namespace elbow
