#include "launch/cli/storage_probes.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/text.h"
#include "trainer/comm/together.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double kLittleSpace = 1024.0 * 1024.0 * 1024.0;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

Descriptor open_file(const fs::path& path) {
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) {
    throw Error(fmt::format("cannot write {}: {}", path.string(), errno_text(errno)));
  }
  return file;
}

// 0, or the number of the error. As the lease does it.
int lock(const Descriptor& file) { return ::flock(file.get(), LOCK_EX | LOCK_NB) == 0 ? 0 : errno; }

// What a probe finds, or that it could not even be tried: a run would fail there as well.
Finding tried(const char* name, const std::function<Finding()>& probe) {
  try {
    return probe();
  } catch (const std::exception& error) {
    return {name, "failed", fmt::format("{}; give a run another folder", error.what()), true};
  }
}

// Another host's view of a file that rank 0 has made and locked: "missing", "other content",
// "locked" or "not locked".
std::string view_of(const fs::path& file, const std::string& content) {
  std::string seen;
  try {
    seen = read_file(file, 4096);
  } catch (const Error&) {
    return "missing";
  }
  if (seen != content) return "other content";
  try {
    return lock(open_file(file)) == 0 ? "not locked" : "locked";
  } catch (const Error&) {
    return "read-only";
  }
}

// What the other hosts say of the folder.
Finding sharing_finding(const std::vector<std::string>& views, const std::vector<Placement>& places,
                        const std::vector<int>& firsts) {
  std::vector<std::string> blind;
  std::vector<std::string> unlocked;
  std::vector<std::string> read_only;
  for (const int rank : firsts) {
    const auto index = static_cast<std::size_t>(rank);
    if (rank == 0) continue;
    if (views[index] == "missing" || views[index] == "other content") {
      blind.push_back(places[index].host);
    } else if (views[index] == "not locked") {
      unlocked.push_back(places[index].host);
    } else if (views[index] == "read-only") {
      read_only.push_back(places[index].host);
    }
  }
  Finding finding{"shared", fmt::format("by all {} hosts, locks as well", firsts.size()), "",
                  false};
  if (!blind.empty() || !read_only.empty()) {
    finding.value = blind.empty() ? "cannot be written on " + join(read_only, ", ")
                                  : "not seen on " + join(blind, ", ");
    finding.advice =
        "ranks there could not write their part of a checkpoint: give --run a folder on a file "
        "system that every host has mounted at the same place and may write";
    finding.stops = true;
  } else if (!unlocked.empty()) {
    finding.value = fmt::format(
        "by all {} hosts; locks are not seen on {} (the lease, which is "
        "a file, stands in for them)",
        firsts.size(), join(unlocked, ", "));
  }
  return finding;
}

}  // namespace

ScratchFolder::ScratchFolder(const fs::path& parent) {
  std::string name = (parent / ".elbow-doctor-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw Error(fmt::format("cannot write in {}: {}", parent.string(), errno_text(errno)));
  }
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path nearest_folder(const fs::path& path) {
  std::error_code ignored;
  fs::path folder = fs::absolute(path).lexically_normal();
  while (!fs::is_directory(folder, ignored) && folder.has_relative_path()) {
    folder = folder.parent_path();
  }
  return folder;
}

MountedAt file_system_of(const fs::path& folder, const std::string& mounts) {
  MountedAt best{"unknown", ""};
  const std::string path = (folder / "").string();
  std::istringstream lines(mounts);
  for (std::string line; std::getline(lines, line);) {
    // 36 35 98:0 /root /point options optional... - type device options
    std::istringstream words(line);
    std::string skipped;
    MountedAt mounted;
    words >> skipped >> skipped >> skipped >> skipped >> mounted.point;
    const auto dash = line.find(" - ");
    if (dash == std::string::npos || !words) continue;
    std::istringstream(line.substr(dash + 3)) >> mounted.type;
    const std::string below = mounted.point == "/" ? "/" : mounted.point + "/";
    // Of two at one place the later one is what is seen.
    if (path.starts_with(below) && mounted.point.size() >= best.point.size()) best = mounted;
  }
  return best;
}

Finding probe_file_system(const fs::path& folder) {
  std::ostringstream mounts;
  mounts << std::ifstream("/proc/self/mountinfo").rdbuf();
  const MountedAt mounted = file_system_of(fs::canonical(folder), mounts.str());
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) {
    throw Error(fmt::format("{}: {}", folder.string(), errno_text(errno)));
  }
  const double free = static_cast<double>(status.f_bavail) * static_cast<double>(status.f_frsize);
  Finding finding{
      "file system",
      fmt::format("{}, mounted at {}, {} free", mounted.type, mounted.point, human_bytes(free)), "",
      false};
  if (mounted.type == "tmpfs" || mounted.type == "ramfs") {
    finding.advice = "it lies in memory: a run there is gone when the machine restarts";
  } else if (free < kLittleSpace) {
    finding.advice = "little room: a checkpoint holds three to four times the parameters";
  }
  return finding;
}

Finding probe_rename(const fs::path& folder) {
  constexpr int kTimes = 100;
  const fs::path file = folder / "renamed";
  const std::string old_text(8192, 'o');
  const std::string new_text(8192, 'n');
  write_file_atomically(file, old_text);
  std::atomic<int> broken = 0;
  std::jthread reader([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      try {
        const std::string seen = read_file(file, 1 << 20);
        if (seen != old_text && seen != new_text) ++broken;
      } catch (const Error&) {
        ++broken;
      }
    }
  });
  for (int i = 0; i < kTimes; ++i) {
    const fs::path temporary = temporary_name(file);
    std::ofstream(temporary, std::ios::binary) << (i % 2 == 0 ? new_text : old_text);
    fs::rename(temporary, file);
  }
  reader.request_stop();
  reader.join();
  if (broken == 0) {
    return {"rename",
            fmt::format("in one step: readers saw the old file or the new one, {} times", kTimes),
            "", false};
  }
  return {"rename", fmt::format("not in one step: a reader saw neither file, {} times", +broken),
          "a crash could leave a run without parameters or checkpoint; give a run another folder",
          true};
}

Finding probe_fsync(const fs::path& folder) {
  constexpr std::size_t kBytes = 16 << 20;
  constexpr int kTimes = 5;
  const std::string large(kBytes, 'x');
  auto begin = Clock::now();
  NewFile file(folder / "flushed");
  file.write(large);
  file.finish();
  const double rate = static_cast<double>(kBytes) / seconds_since(begin);
  begin = Clock::now();
  for (int i = 0; i < kTimes; ++i) write_file_atomically(folder / "small", "small");
  const double small = seconds_since(begin) / kTimes;
  return {"fsync",
          fmt::format("16 MiB at {}/s, a small file and its name in {:.1f} ms", human_bytes(rate),
                      small * 1e3),
          "", false};
}

Finding probe_lock(const fs::path& folder) {
  const Descriptor first = open_file(folder / "lock");
  if (const int error = lock(first)) {
    return {"lock", errno_text(error),
            "without advisory locks (flock) the lease alone keeps a second job out, which takes "
            "longer: mount the file system with them (Lustre: option flock) where you can",
            false};
  }
  const Descriptor second = open_file(folder / "lock");
  if (lock(second) != 0) return {"lock", "keeps a second job of this host out", "", false};
  return {"lock", "does not keep a second job of this host out",
          "two jobs started at once could write in one run: mount the file system with locks, and "
          "start one job at a time until then",
          false};
}

Findings probe_storage(Communicator& comm, const std::vector<Placement>& places,
                       const fs::path& run) {
  const std::vector<int> firsts = first_ranks(places);
  constexpr char kFileName[] = "held";
  Findings findings;
  std::unique_ptr<ScratchFolder> scratch;
  Descriptor held;
  std::string file;
  if (comm.rank() == 0) {
    findings.push_back(tried("folder", [&]() -> Finding {
      const fs::path folder = nearest_folder(run);
      scratch = std::make_unique<ScratchFolder>(folder);
      file = (scratch->path() / kFileName).string();
      write_file_atomically(file, file);
      held = open_file(file);
      static_cast<void>(lock(held));
      return {"folder", folder.string(), "", false};
    }));
    if (held.valid()) {
      const fs::path& path = scratch->path();
      findings.push_back(tried("file system", [&] { return probe_file_system(path); }));
      findings.push_back(tried("rename", [&] { return probe_rename(path); }));
      findings.push_back(tried("fsync", [&] { return probe_fsync(path); }));
      findings.push_back(tried("lock", [&] { return probe_lock(path); }));
    }
  }
  file = broadcast_text(comm, held.valid() ? file : "", 0);
  if (file.empty() || firsts.size() < 2) return findings;
  const bool looks = comm.rank() != 0 && std::count(firsts.begin(), firsts.end(), comm.rank()) > 0;
  const auto views = gather_text(comm, looks ? view_of(file, file) : "");
  if (comm.rank() == 0) findings.push_back(sharing_finding(views, places, firsts));
  return findings;
}

}  // namespace elbow
