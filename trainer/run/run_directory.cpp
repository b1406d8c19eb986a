#include "trainer/run/run_directory.h"

#include <algorithm>
#include <ctime>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/temporary_files.h"
#include "trainer/run/checkpoint.h"
#include "trainer/run/versioned_json.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kRecordFormat = 1;
constexpr std::size_t kLargestRecord = 16 << 20;

// Makes the folder where there is none, and refuses one that holds something else than a run.
// Whether it was made.
bool prepare_folder(const fs::path& root) {
  std::error_code error;
  const bool created = fs::create_directories(root, error);
  if (error == std::errc::no_space_on_device) {
    throw Error(
        fmt::format("cannot make the run directory {}: {}", root.string(), error.message()));
  }
  if (error || !fs::is_directory(root)) {
    throw CheckpointError(fmt::format("cannot make the run directory {}: {}", root.string(),
                                      error ? error.message() : "something else has this name"));
  }
  const bool of_a_run = fs::exists(RunPaths{root}.record()) || fs::exists(lock_path(root));
  if (!of_a_run && !fs::is_empty(root)) {
    throw CheckpointError(fmt::format(
        "{} holds files but no run: choose an empty or a new directory for --run", root.string()));
  }
  return created;
}

// What a session that goes on makes untrue: how the one before it ended. Until its own end readers
// find the last parameters in its checkpoints. One that begins anew keeps nothing.
void remove_outdated(const RunPaths& paths, bool begins_anew) {
  std::error_code ignored;
  for (const auto& path : {paths.last_parameters(), paths.average_parameters()}) {
    fs::remove(path, ignored);
  }
  if (!begins_anew) return;
  for (const auto& path : {paths.metrics(), paths.parameters()}) fs::remove(path, ignored);
}

}  // namespace

Json read_run_record(const fs::path& root) {
  const fs::path path = RunPaths{root}.record();
  Json record = read_versioned_json(path, kLargestRecord, kRecordFormat);
  const auto is_session = [](const Json& session) {
    return session.is_object() && (!session.contains("reason") || session["reason"].is_string());
  };
  if (!record.contains("sessions") || !record["sessions"].is_array() ||
      !std::all_of(record["sessions"].begin(), record["sessions"].end(), is_session) ||
      !record.contains("finished") || !record["finished"].is_boolean()) {
    throw CheckpointError(fmt::format("{} is damaged: it holds no sessions", path.string()));
  }
  return record;
}

RunDirectory::RunDirectory(const fs::path& root)
    : paths_{root}, created_(prepare_folder(root)), lease_(std::make_unique<Lease>(root)) {
  // Before anything is read: a job that has lost the directory cannot publish any more.
  remove_leftovers(paths_.checkpoints());
  if (fs::exists(paths_.record())) record_ = read_run_record(root);
}

RunDirectory::~RunDirectory() {
  if (!created_ || !record_.is_null()) return;
  const fs::path& root = paths_.root;
  const auto of_lease = {lock_path(root), lease_path(root),
                         generation_path(root, lease_->generation())};
  lease_.reset();
  std::error_code ignored;
  // What a session that could not begin has written says whose the directory is.
  for (const auto& entry : fs::directory_iterator(root, ignored)) {
    if (std::find(of_lease.begin(), of_lease.end(), entry.path()) == of_lease.end()) return;
  }
  for (const fs::path& path : of_lease) fs::remove(path, ignored);
  fs::remove(root, ignored);
}

RunState RunDirectory::state() const {
  if (record_.is_null()) return RunState::kNew;
  return record_["finished"].get<bool>() ? RunState::kFinished : RunState::kUnfinished;
}

std::string RunDirectory::stored_configuration() const {
  return read_file(paths_.configuration(), kLargestRecord);
}

std::string RunDirectory::last_reason() const {
  if (record_.is_null() || record_["sessions"].empty()) return "";
  return record_["sessions"].back().value("reason", "");
}

int RunDirectory::last_ranks() const {
  if (record_.is_null() || record_["sessions"].empty()) return 0;
  const Json& session = record_["sessions"].back();
  return session.contains("ranks") && session["ranks"].is_number_integer()
             ? session["ranks"].get<int>()
             : 0;
}

void RunDirectory::begin_session(const std::string& configuration, const Json& about,
                                 const SessionPlan& plan, const SessionChanges& changes) {
  lease_->require_held();
  remove_outdated(paths_, plan.from_step == 0);
  write_text(paths_.configuration(), configuration);
  if (record_.is_null()) {
    record_ = {{"format_version", kRecordFormat},
               {"finished", false},
               {"about", Json::object()},
               {"sessions", Json::array()}};
  }
  record_["finished"] = false;
  record_["about"] = about;
  record_["sessions"].push_back(
      {{"started", utc_now()},
       {"ranks", plan.ranks},
       {"generation", lease_->generation()},
       {"from_step", plan.from_step},
       {"planned", {{"steps", plan.steps}, {"epochs", plan.epochs}, {"samples", plan.samples}}}});
  Json& session = record_["sessions"].back();
  if (!changes.options.empty()) session["changed"] = changes.options;
  if (!changes.schedule.empty()) session["schedule"] = changes.schedule;
  store_record();
}

void RunDirectory::end_session(const std::string& reason, bool finished, const Json& result) {
  Json& session = record_["sessions"].back();
  session["ended"] = utc_now();
  session["reason"] = reason;
  session["result"] = result;
  record_["finished"] = finished;
  store_record();
}

void RunDirectory::store_record() {
  // A path or an error's words may be no UTF-8.
  write_text(paths_.record(), record_.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void RunDirectory::write_text(const fs::path& path, const std::string& text) {
  lease_->write(path, [&](NewFile& file) { file.write(text); });
}

AtomicWrite RunDirectory::writer() const {
  return
      [lease = lease_.get()](const fs::path& path, const std::function<void(NewFile&)>& content) {
        lease->write(path, content);
      };
}

RunPaths require_run(const fs::path& root) {
  RunPaths paths{root};
  if (!fs::exists(paths.record())) {
    throw CheckpointError(
        fmt::format("{} {}: give the directory that 'elbow train --run DIR' made", root.string(),
                    fs::exists(root) ? "is not a run directory" : "does not exist"));
  }
  return paths;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace elbow
