#include "trainer/run/run_status.h"

#include <algorithm>
#include <ctime>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "monitoring/process_identity.h"
#include "trainer/run/checkpoint.h"
#include "trainer/run/json_file.h"
#include "trainer/run/lease.h"
#include "trainer/run/run_directory.h"
#include "trainer/run/run_metrics.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kFormatVersion = 1;
constexpr std::size_t kLargestRecord = 16 << 20;
constexpr std::size_t kLargestLease = 65536;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string text(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t whole_number(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

std::optional<RunHolder> read_holder(const fs::path& path) {
  if (!is_there(path)) return std::nullopt;
  const Json json = read_json_object(path, kLargestLease, kFormatVersion);
  const auto released = json.find("released");
  if (released == json.end() || !released->is_boolean()) {
    throw CheckpointError(
        fmt::format("{} is damaged: it does not say whether it is held", path.string()));
  }
  return RunHolder{text(json, "host"), whole_number(json, "process"), released->get<bool>(),
                   file_age(path).value_or(0)};
}

bool renews(const RunHolder& holder) {
  const std::chrono::duration<double> life = LeaseTimes{}.life;
  return !holder.released && holder.age < life.count();
}

// Certain only of a process of this machine.
bool is_gone(const RunHolder& holder) {
  ProcessIdentity process = this_process();
  process.host = holder.host;
  process.pid = holder.process;
  process.started.clear();
  return is_gone(process);
}

RunCondition condition_of_open_session(const std::optional<RunHolder>& holder) {
  if (!holder || holder->released) return RunCondition::kDied;
  if (renews(*holder)) return RunCondition::kRunning;
  return is_gone(*holder) ? RunCondition::kDied : RunCondition::kSilent;
}

// Of a record with sessions. A stop is written down with its result, an error without.
RunCondition condition_of(bool finished, const Json& session, const RunStatus& status) {
  if (finished) return RunCondition::kFinished;
  if (status.session.ended.empty()) return condition_of_open_session(status.holder);
  if (status.holder && renews(*status.holder)) return RunCondition::kStarting;
  const auto result = session.find("result");
  const bool saved = result != session.end() && result->is_object() && !result->empty();
  return saved ? RunCondition::kStopped : RunCondition::kFailed;
}

void read_record(const fs::path& path, RunStatus& status) {
  const Json record = read_json_object(path, kLargestRecord, kFormatVersion);
  const auto sessions = record.find("sessions");
  const auto finished = record.find("finished");
  if (sessions == record.end() || !sessions->is_array() || finished == record.end() ||
      !finished->is_boolean() || (!sessions->empty() && !sessions->back().is_object())) {
    throw CheckpointError(fmt::format("{} is damaged: it holds no sessions", path.string()));
  }
  const auto about = record.find("about");
  if (about != record.end() && about->is_object()) status.data = text(*about, "data");
  if (sessions->empty()) return;
  const Json& last = sessions->back();
  status.sessions = static_cast<std::int64_t>(sessions->size());
  status.session = {text(last, "started"), text(last, "ended"), text(last, "reason"),
                    whole_number(last, "ranks")};
  status.condition = condition_of(finished->get<bool>(), last, status);
}

}  // namespace

const char* condition_name(RunCondition condition) {
  switch (condition) {
    case RunCondition::kEmpty:
      return "empty";
    case RunCondition::kStarting:
      return "starting";
    case RunCondition::kRunning:
      return "running";
    case RunCondition::kSilent:
      return "silent";
    case RunCondition::kFinished:
      return "finished";
    case RunCondition::kStopped:
      return "stopped";
    case RunCondition::kFailed:
      return "failed";
    case RunCondition::kDied:
      return "died";
    case RunCondition::kDamaged:
      return "damaged";
  }
  return "";
}

bool looks_like_run(const fs::path& root) {
  return is_there(RunPaths{root}.record()) ||
         (is_there(root / "lease.json") && is_there(root / "lock"));
}

RunStatus read_run_status(const fs::path& root) {
  RunStatus status;
  try {
    status.holder = read_holder(root / "lease.json");
    if (status.holder && renews(*status.holder)) status.condition = RunCondition::kStarting;
    const fs::path record = RunPaths{root}.record();
    if (is_there(record)) read_record(record, status);
  } catch (const std::exception& error) {
    status.condition = RunCondition::kDamaged;
    status.problem = error.what();
  }
  return status;
}

SavedStates read_saved_states(const fs::path& checkpoints) {
  SavedStates states;
  for (const std::int64_t step : list_checkpoints(checkpoints)) {
    const fs::path folder = checkpoints / checkpoint_name(step);
    try {
      const Manifest manifest = verify_checkpoint(folder);
      states.newest = {folder, step, file_age(folder / "manifest.json").value_or(0)};
      break;
    } catch (const std::exception& error) {
      if (is_there(folder)) states.damaged.emplace_back(error.what());
    }
  }
  return states;
}

std::optional<double> seconds_since(const std::string& utc) {
  std::tm time{};
  const char* const end = ::strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return std::max(0.0, std::difftime(std::time(nullptr), ::timegm(&time)));
}

}  // namespace elbow
