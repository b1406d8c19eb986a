#include "trainer/comm/watch/channel.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

namespace elbow {
namespace {

// What a hello begins with; another version of the protocol has another.
constexpr char kMagic[] = "elbow-watch-1";
constexpr int kConnectMilliseconds = 1500;
constexpr double kLongestPatience = 86400;

struct FrameHeader {
  Frame frame;
  std::uint32_t length;
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

// Of an address in numbers; nothing where it is none.
std::optional<SocketAddress> parse_address(const WatchInvitation::Address& address,
                                           std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (address.front() == '\0' || address.back() != '\0' ||
      ::getaddrinfo(address.data(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return std::nullopt;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  SocketAddress result;
  std::memcpy(&result.storage, found->ai_addr, found->ai_addrlen);
  result.size = found->ai_addrlen;
  return result;
}

WatchInvitation::Address address_text(const sockaddr* address) {
  WatchInvitation::Address text{};
  const socklen_t size =
      address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (::getnameinfo(address, size, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) != 0) {
    text = {};
  }
  return text;
}

bool is_link_local(const sockaddr* address) {
  return address->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
}

// This host's own address on the way to `peer`: the system is asked for its route, nothing is sent.
std::optional<WatchInvitation::Address> own_address_towards(const WatchInvitation::Address& peer) {
  const auto target = parse_address(peer, 9);
  if (!target) return std::nullopt;
  const Descriptor socket(::socket(target->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  SocketAddress own;
  own.size = sizeof own.storage;
  if (!socket.valid() || ::connect(socket.get(), target->get(), target->size) != 0 ||
      ::getsockname(socket.get(), own.get(), &own.size) != 0) {
    return std::nullopt;
  }
  return address_text(own.get());
}

// An address that this host has as well (of a bridge that every host has) leads nowhere.
std::vector<WatchInvitation::Address> addresses_towards(const std::vector<HostAddresses>& peers) {
  const HostAddresses own = host_addresses();
  std::vector<WatchInvitation::Address> found;
  for (const HostAddresses& peer : peers) {
    for (const WatchInvitation::Address& address : peer) {
      if (std::find(own.begin(), own.end(), address) != own.end()) continue;
      const auto here = own_address_towards(address);
      if (here && std::find(own.begin(), own.end(), *here) != own.end() &&
          std::find(found.begin(), found.end(), *here) == found.end()) {
        found.push_back(*here);
      }
    }
  }
  return found;
}

bool set_option(int socket, int level, int option, int value) {
  return ::setsockopt(socket, level, option, &value, sizeof value) == 0;
}

// Listens at a free port, which is left in `port`.
Descriptor listen_at(const WatchInvitation::Address& address, std::uint16_t& port) {
  const auto wanted = parse_address(address, 0);
  if (!wanted) return Descriptor();
  Descriptor socket(
      ::socket(wanted->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  if (!socket.valid() || ::bind(socket.get(), wanted->get(), wanted->size) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0 ||
      ::getsockname(socket.get(), bound.get(), &bound.size) != 0) {
    return Descriptor();
  }
  // The port is at the same place for both families.
  port = ntohs(reinterpret_cast<const sockaddr_in*>(&bound.storage)->sin_port);
  return socket;
}

std::optional<Descriptor> connect_to(const SocketAddress& address, int stop) {
  Descriptor socket(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return std::nullopt;
  if (::connect(socket.get(), address.get(), address.size) == 0) return socket;
  if (errno != EINPROGRESS) return std::nullopt;
  pollfd events[] = {{socket.get(), POLLOUT, 0}, {stop, POLLIN, 0}};
  if (::poll(events, 2, kConnectMilliseconds) <= 0 || events[1].revents != 0) return std::nullopt;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
    return std::nullopt;
  }
  return socket;
}

}  // namespace

HostAddresses host_addresses() {
  HostAddresses addresses{};
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return addresses;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
  std::size_t count = 0;
  for (const ifaddrs* one = list; one != nullptr && count < addresses.size(); one = one->ifa_next) {
    const sockaddr* address = one->ifa_addr;
    if (address == nullptr || (address->sa_family != AF_INET && address->sa_family != AF_INET6) ||
        (one->ifa_flags & IFF_UP) == 0 || (one->ifa_flags & IFF_LOOPBACK) != 0 ||
        is_link_local(address)) {
      continue;
    }
    addresses[count++] = address_text(address);
  }
  return addresses;
}

WatchConnection::WatchConnection(Descriptor socket, double patience) : socket_(std::move(socket)) {
  set_option(fd(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd(), SOL_SOCKET, SO_KEEPALIVE, 1);
  set_patience(patience);
}

void WatchConnection::set_patience(double patience) {
  if (!open()) return;
  patience = std::clamp(patience, 1.0, kLongestPatience);
  const int between = std::max(1, static_cast<int>(patience / 4));
  set_option(fd(), IPPROTO_TCP, TCP_KEEPIDLE, between);
  set_option(fd(), IPPROTO_TCP, TCP_KEEPINTVL, between);
  set_option(fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(patience * 1000));
}

void WatchConnection::send(Frame frame, const std::string& content) {
  if (!open()) return;
  const std::string kept = content.substr(0, kLongestFrame);
  const FrameHeader header{frame, static_cast<std::uint32_t>(kept.size())};
  unsent_.append(reinterpret_cast<const char*>(&header), sizeof header);
  unsent_ += kept;
  flush();
}

void WatchConnection::flush() {
  while (open() && !unsent_.empty()) {
    const ssize_t count = ::send(fd(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (count < 0) return close(errno);
    unsent_.erase(0, static_cast<std::size_t>(count));
  }
}

std::vector<std::pair<Frame, std::string>> WatchConnection::exchange() {
  std::vector<std::pair<Frame, std::string>> frames;
  flush();
  char bytes[kLongestFrame];
  while (open()) {
    const ssize_t count = ::recv(fd(), bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (count <= 0) {
      close(count == 0 || errno == ECONNRESET ? 0 : errno);
      break;
    }
    received_.append(bytes, static_cast<std::size_t>(count));
    FrameHeader header;
    while (received_.size() >= sizeof header) {
      std::memcpy(&header, received_.data(), sizeof header);
      if (header.length > kLongestFrame) {
        close(EPROTO);
        break;
      }
      if (received_.size() < sizeof header + header.length) break;
      frames.emplace_back(header.frame, received_.substr(sizeof header, header.length));
      received_.erase(0, sizeof header + header.length);
    }
  }
  return frames;
}

void WatchConnection::close(int error) {
  error_ = error == EPIPE ? 0 : error;
  socket_.reset();
}

WatchListener::WatchListener(const std::vector<HostAddresses>& peers) {
  std::vector<WatchInvitation::Address> addresses;
  if (peers.empty()) {
    addresses.push_back({"127.0.0.1"});
  } else {
    addresses = addresses_towards(peers);
  }
  for (const WatchInvitation::Address& address : addresses) {
    if (sockets_.size() == WatchInvitation::kMostAddresses) break;
    Descriptor socket = listen_at(address, invitation_.ports[sockets_.size()]);
    if (!socket.valid()) continue;
    invitation_.addresses[sockets_.size()] = address;
    sockets_.push_back(std::move(socket));
  }
  if (sockets_.empty()) {
    throw CommError("no address of this host by which the other ranks' hosts reach it");
  }
  if (::getrandom(invitation_.token.data(), invitation_.token.size(), 0) !=
      static_cast<ssize_t>(invitation_.token.size())) {
    throw CommError(fmt::format("no random token: {}", errno_text(errno)));
  }
}

std::vector<int> WatchListener::fds() const {
  std::vector<int> fds;
  for (const Descriptor& socket : sockets_) fds.push_back(socket.get());
  return fds;
}

std::optional<Descriptor> WatchListener::accept() {
  for (const Descriptor& socket : sockets_) {
    Descriptor taken(::accept4(socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (taken.valid()) return taken;
  }
  return std::nullopt;
}

std::optional<int> WatchListener::rank_of(const std::string& hello) const {
  int rank = 0;
  if (hello.size() != sizeof kMagic + invitation_.token.size() + sizeof rank) return std::nullopt;
  std::memcpy(&rank, hello.data() + hello.size() - sizeof rank, sizeof rank);
  const std::string expected = hello_of(invitation_, rank);
  // Every byte is looked at, so that the time tells nothing of the token.
  unsigned char difference = 0;
  for (std::size_t i = 0; i < hello.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (hello[i] ^ expected[i]));
  }
  return difference == 0 ? std::optional(rank) : std::nullopt;
}

std::optional<Descriptor> connect(const WatchInvitation& invitation, int stop) {
  for (std::size_t i = 0; i < invitation.addresses.size(); ++i) {
    const auto address = parse_address(invitation.addresses[i], invitation.ports[i]);
    if (!address) continue;
    if (auto socket = connect_to(*address, stop)) return socket;
  }
  return std::nullopt;
}

std::string hello_of(const WatchInvitation& invitation, int rank) {
  std::string hello(kMagic, sizeof kMagic);
  hello.append(reinterpret_cast<const char*>(invitation.token.data()), invitation.token.size());
  hello.append(reinterpret_cast<const char*>(&rank), sizeof rank);
  return hello;
}

}  // namespace elbow
