#include "trainer/run/run_status.h"

#include <algorithm>
#include <ctime>

#include <nlohmann/json.hpp>

#include "base/json_input.h"
#include "base/process_identity.h"
#include "trainer/run/checkpoint.h"
#include "trainer/run/lease.h"
#include "trainer/run/run_directory.h"
#include "trainer/run/run_metrics.h"
#include "trainer/run/versioned_json.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::optional<RunHolder> read_holder(const fs::path& root) {
  const auto lease = read_lease(root);
  if (!lease) return std::nullopt;
  return RunHolder{lease->host, lease->process, lease->released,
                   file_age(lease_path(root)).value_or(0)};
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

// The condition of a run whose record has sessions. A stop is written down with its result, an
// error without.
RunCondition condition_of(bool finished, const Json& session, const RunStatus& status) {
  if (finished) return RunCondition::kFinished;
  if (status.session.ended.empty()) return condition_of_open_session(status.holder);
  if (status.holder && renews(*status.holder)) return RunCondition::kStarting;
  const auto result = session.find("result");
  const bool saved = result != session.end() && result->is_object() && !result->empty();
  return saved ? RunCondition::kStopped : RunCondition::kFailed;
}

void take_record(const Json& record, RunStatus& status) {
  const auto about = record.find("about");
  if (about != record.end()) status.data = find_text(*about, "data");
  const Json& sessions = record["sessions"];
  if (sessions.empty()) return;
  const Json& last = sessions.back();
  status.sessions = static_cast<std::int64_t>(sessions.size());
  status.session = {find_text(last, "started"), find_text(last, "ended"), find_text(last, "reason"),
                    find_whole_number(last, "ranks").value_or(0)};
  if (const auto planned = last.find("planned"); planned != last.end()) {
    status.session.planned_steps = find_whole_number(*planned, "steps").value_or(0);
    status.session.planned_epochs = find_whole_number(*planned, "epochs").value_or(0);
    status.session.planned_samples = find_whole_number(*planned, "samples").value_or(0);
  }
  status.condition = condition_of(record["finished"].get<bool>(), last, status);
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
    case RunCondition::kUnreadable:
      return "unreadable";
    case RunCondition::kDamaged:
      return "damaged";
  }
  return "";
}

bool looks_like_run(const fs::path& root) {
  return is_there(RunPaths{root}.record()) ||
         (is_there(lease_path(root)) && is_there(lock_path(root)));
}

RunStatus read_run_status(const fs::path& root) {
  RunStatus status;
  try {
    status.holder = read_holder(root);
    if (status.holder && renews(*status.holder)) status.condition = RunCondition::kStarting;
    if (is_there(RunPaths{root}.record())) take_record(read_run_record(root), status);
  } catch (const UnreadableError& error) {
    status.condition = RunCondition::kUnreadable;
    status.problem = error.what();
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
    } catch (const UnreadableError& error) {
      if (is_there(folder)) states.unreadable.emplace_back(error.what());
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
