#include "monitoring/discovery.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/process_identity.h"
#include "base/text.h"
#include "monitoring/label.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

// Limits on what strangers may have put into the folder.
constexpr std::size_t kLargestEntry = 4 << 20;
constexpr int kMostEntries = 10000;
constexpr int kLastSuffix = 999;
constexpr std::size_t kLongestRunName = 100;

constexpr const char* kHost = "__meta_elbow_host";
constexpr const char* kNamespace = "__meta_elbow_pid_namespace";
constexpr const char* kPid = "__meta_elbow_pid";
constexpr const char* kStarted = "__meta_elbow_started";

std::string entry_text(const std::string& run, const std::vector<std::string>& targets) {
  const ProcessIdentity self = this_process();
  Json addresses = Json::array();
  for (const auto& target : targets) {
    if (!target.empty()) addresses.push_back(target);
  }
  const Json labels = {{"job", "elbow"},
                       {"run", label_value(run)},
                       {kHost, label_value(self.host)},
                       {kNamespace, self.pid_namespace},
                       {kPid, std::to_string(self.pid)},
                       {kStarted, self.started}};
  const Json group = {{"targets", addresses}, {"labels", labels}};
  return Json::array({group}).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Whose entry it is; nothing when it is not of the form written here.
std::optional<ProcessIdentity> owner(const std::string& text) {
  const Json root = Json::parse(text, nullptr, false);
  if (!root.is_array() || root.size() != 1 || !root[0].is_object()) return std::nullopt;
  const auto labels = root[0].find("labels");
  if (labels == root[0].end() || !labels->is_object()) return std::nullopt;
  auto label = [&](const char* name) -> std::optional<std::string> {
    const auto found = labels->find(name);
    if (found == labels->end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
  };
  const auto host = label(kHost);
  const auto space = label(kNamespace);
  const auto pid = label(kPid);
  const auto started = label(kStarted);
  ProcessIdentity process;
  if (!host || !space || !pid || !started || label("job") != "elbow") return std::nullopt;
  if (!parse_number(*pid, process.pid)) return std::nullopt;
  process.host = *host;
  process.pid_namespace = *space;
  process.started = *started;
  return process;
}

bool is_dead_entry(const fs::directory_entry& entry) {
  std::error_code ignored;
  const bool candidate =
      entry.path().extension() == ".json" && fs::is_regular_file(entry.symlink_status(ignored));
  if (!candidate) return false;
  try {
    const auto process = owner(read_file(entry.path(), kLargestEntry));
    return process && is_gone(*process);
  } catch (const Error&) {
    return false;  // cannot be read, or was just removed
  }
}

void remove_dead_entries(const fs::path& folder) {
  std::error_code error;
  int examined = 0;
  for (fs::directory_iterator entry(folder, error), end;
       !error && entry != end && examined < kMostEntries; entry.increment(error), ++examined) {
    std::error_code ignored;
    if (is_dead_entry(*entry)) fs::remove(entry->path(), ignored);
  }
}

// Held while dead entries are removed and a name is taken: without it, a job that starts at the
// same moment could find an entry dead and then remove its successor. Where the folder cannot be
// locked (some network file systems, or somebody who doesn't let go) it is done without.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    constexpr int kTries = 100;
    for (int i = 0; i < kTries && folder_.valid(); ++i) {
      if (::flock(folder_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

 private:
  Descriptor folder_;
};

// Gives the file `draft` the name `path` unless there is such a file. Throws Error naming it.
bool take_name(const fs::path& draft, const fs::path& path) {
  if (::link(draft.c_str(), path.c_str()) == 0) return true;
  const int problem = errno;
  if (problem == EEXIST) return false;
  const bool without_links = problem == EPERM || problem == EOPNOTSUPP || problem == ENOSYS;
  if (!without_links) {
    throw Error(fmt::format("cannot write {}: {}", path.string(), errno_text(problem)));
  }
  if (fs::exists(fs::symlink_status(path))) return false;
  fs::rename(draft, path);
  return true;
}

// The name taken: RUN.json, or the first free one of RUN-2.json, RUN-3.json, ...
fs::path write_under_free_name(const fs::path& folder, const std::string& name,
                               const std::string& text) {
  const ProcessIdentity self = this_process();
  // Prometheus is asked to read *.json, so it does not see drafts.
  const fs::path draft =
      folder / fmt::format(".{}.{}-{}", name, safe_file_name(self.host), self.pid);
  write_file_atomically(draft, text);
  std::error_code ignored;
  try {
    for (int i = 1; i <= kLastSuffix; ++i) {
      fs::path path = folder / (i == 1 ? name + ".json" : fmt::format("{}-{}.json", name, i));
      if (!take_name(draft, path)) continue;
      fs::remove(draft, ignored);
      return path;
    }
  } catch (...) {
    fs::remove(draft, ignored);
    throw;
  }
  fs::remove(draft, ignored);
  throw Error(fmt::format("cannot write {}: it and {} more such names are taken; remove old files",
                          (folder / (name + ".json")).string(), kLastSuffix - 1));
}

bool is_safe(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

std::string safe_file_name(const std::string& run) {
  std::string name = run.substr(0, kLongestRunName);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !is_safe(c); }, '_');
  if (name.empty()) return "_";
  if (name.front() == '.' || name.front() == '-') name.front() = '_';
  return name;
}

Discovery::Discovery(const std::string& run, const std::vector<std::string>& targets,
                     const fs::path& run_directory, const fs::path& folder)
    : text_(entry_text(run, targets)) {
  try {
    write_run_file(run_directory);
  } catch (const std::exception& error) {
    log::warning("Prometheus is not told of this run in its directory: {}", error.what());
  }
  if (folder.empty()) return;
  try {
    write_entry(run, folder);
  } catch (const std::exception& error) {
    log::warning("Prometheus is not told of this run in metrics.discovery: {}", error.what());
  }
}

// Its directory belongs to the run alone: what is there was left behind by a process that was
// killed.
void Discovery::write_run_file(const fs::path& run_directory) {
  const fs::path path = fs::absolute(run_directory / "targets.json");
  write_file_atomically(path, text_);
  files_.push_back(path);
}

void Discovery::write_entry(const std::string& run, const fs::path& folder) {
  const fs::path absolute = fs::absolute(folder);
  std::error_code ignored;  // writing says what is wrong with it
  fs::create_directory(absolute, ignored);
  const FolderLock lock(absolute);
  remove_dead_entries(absolute);
  const std::string name = safe_file_name(run);
  files_.push_back(write_under_free_name(absolute, name, text_));
  if (files_.back().filename() != name + ".json") {
    log::warning("{} is taken by another run: this one is listed in {}",
                 (absolute / (name + ".json")).string(), files_.back().string());
  }
}

Discovery::~Discovery() {
  for (const auto& path : files_) {
    try {
      if (read_file(path, kLargestEntry) == text_) fs::remove(path);
    } catch (const std::exception& error) {
      log::debug("{} is left as it is: {}", path.string(), error.what());
    }
  }
}

}  // namespace elbow
