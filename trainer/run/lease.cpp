#include "trainer/run/lease.h"

#include <cerrno>
#include <fstream>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/log.h"
#include "monitoring/process_identity.h"
#include "trainer/run/versioned_json.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

constexpr int kFormatVersion = 1;
constexpr std::size_t kLargestFile = 65536;

// A file of /proc says that it has no bytes, so it is read by lines.
std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id.empty() ? this_process().host
                    : id;  // where there is no such file, a host's name must do
}

// A holder as text: equal for equal leases, and for those alone.
std::string holder_text(std::int64_t generation, const std::string& host, std::int64_t process) {
  return fmt::format("process {} on host {}, generation {}", process, host, generation);
}

bool is_held_by(const fs::path& root, const std::string& holder) {
  try {
    const auto record = read_lease(root);
    return record && holder_text(record->generation, record->host, record->process) == holder;
  } catch (const CheckpointError&) {
    return false;  // what it is of another job may be unreadable
  }
}

}  // namespace

fs::path lease_path(const fs::path& root) { return root / "lease.json"; }

fs::path lock_path(const fs::path& root) { return root / "lock"; }

std::optional<LeaseRecord> read_lease(const fs::path& root) {
  const fs::path path = lease_path(root);
  if (!fs::exists(path)) return std::nullopt;
  const auto json = read_versioned_json(path, kLargestFile, kFormatVersion);
  try {
    return LeaseRecord{
        json.at("generation").get<std::int64_t>(), json.at("renewals").get<std::int64_t>(),
        json.at("released").get<bool>(),           json.at("host").get<std::string>(),
        json.at("boot").get<std::string>(),        json.at("process").get<std::int64_t>()};
  } catch (const nlohmann::json::exception&) {
    throw CheckpointError(fmt::format(
        "{} is damaged: remove it if no job is training in this directory", path.string()));
  }
}

void require_lease_of(const fs::path& root, const std::string& holder) {
  constexpr std::chrono::seconds kLongestCached{60};  // of NFS, by default
  constexpr std::chrono::milliseconds kPause{200};
  const bool same_host =
      holder.find(fmt::format(" on host {},", this_process().host)) != std::string::npos;
  const auto until = std::chrono::steady_clock::now() + (same_host ? kPause : kLongestCached);
  while (!is_held_by(root, holder)) {
    if (std::chrono::steady_clock::now() >= until) {
      throw CheckpointError(fmt::format(
          "the directory {} is not the run directory that rank 0 has opened ({}): give every rank "
          "the same --run, in a place that all hosts share",
          root.string(), holder));
    }
    std::this_thread::sleep_for(kPause);
  }
}

Lease::Lock::Lock(const fs::path& root)
    : file_(::open(lock_path(root).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (!file_.valid()) {
    throw CheckpointError(fmt::format("cannot write in {}: {}", root.string(), errno_text(errno)));
  }
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    throw CheckpointError(fmt::format(
        "another process is training in {}: wait for it, or choose another --run", root.string()));
  }
}

Lease::Lease(const fs::path& root, LeaseTimes times) : root_(root), times_(times), lock_(root) {
  const LeaseRecord before = read_lease(root_).value_or(LeaseRecord{});
  generation_ = before.generation + 1;
  // A holder on this kernel would have held the lock.
  if (!before.released && before.boot != boot_id()) wait_for_other_host();
  store(false);
  thread_ = std::thread([this] { renew(); });
}

Lease::~Lease() {
  {
    const std::lock_guard held(mutex_);
    end_ = true;
    ending_.notify_all();
  }
  thread_.join();
  try {
    require_held();
    store(true);
  } catch (const Error& error) {
    log::warning("{}", error.what());
  }
}

std::string Lease::holder() const {
  return holder_text(generation_, this_process().host, ::getpid());
}

void Lease::wait_for_other_host() const {
  const LeaseRecord first = read_lease(root_).value_or(LeaseRecord{});
  log::warning(
      "{} was last held by process {} on host {}, which did not give it back: waiting {} s to see "
      "whether it lives",
      root_.string(), first.process, first.host,
      std::chrono::duration<double>(times_.life).count());
  const auto until = std::chrono::steady_clock::now() + times_.life;
  while (std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(times_.life / 20);
    const LeaseRecord now = read_lease(root_).value_or(LeaseRecord{});
    if (now.released) return;
    if (now.generation != first.generation || now.renewals != first.renewals) {
      throw CheckpointError(fmt::format(
          "process {} on host {} is training in {}: wait for it, or choose another --run",
          now.process, now.host, root_.string()));
    }
  }
  log::warning("it does not: taking the directory over, as generation {}", generation_);
}

void Lease::require_held() const {
  const LeaseRecord now = read_lease(root_).value_or(LeaseRecord{});
  if (now.generation == generation_) return;
  if (now.generation == 0) {
    throw CheckpointError(
        fmt::format("{} has disappeared: who has the run directory cannot be told any more",
                    lease_path(root_).string()));
  }
  throw CheckpointError(fmt::format(
      "process {} on host {} has taken {} over (generation {}, this job's is {}): this job must "
      "not write there any more",
      now.process, now.host, root_.string(), now.generation, generation_));
}

void Lease::store(bool released) {
  const nlohmann::ordered_json json = {{"format_version", kFormatVersion},
                                       {"generation", generation_},
                                       {"renewals", renewals_++},
                                       {"released", released},
                                       {"host", this_process().host},
                                       {"boot", boot_id()},
                                       {"process", ::getpid()}};
  write_file_atomically(lease_path(root_), json.dump() + "\n");
}

void Lease::renew() {
  std::unique_lock held(mutex_);
  while (!ending_.wait_for(held, times_.renewal, [this] { return end_; })) {
    try {
      require_held();
      store(false);
    } catch (const CheckpointError& error) {
      log::error("{}", error.what());
      return;
    } catch (const Error& error) {
      log::warning("the lease could not be renewed: {}", error.what());
    }
  }
}

}  // namespace elbow
