#include "trainer/run/run_status.h"

#include <chrono>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process_identity.h"
#include "tests/base/temporary_folder.h"
#include "trainer/run/checkpoint.h"
#include "trainer/run/run_directory.h"
#include "trainer/run/run_metrics.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RunStatuses : public testing::Test {
 protected:
  void SetUp() override { fs::create_directory(root_); }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(root_ / name) << text;
  }

  // A session that was begun, and what is said of its end.
  void write_record(const std::string& end, bool finished = false) const {
    write("run.json",
          fmt::format(R"({{"format_version": 1, "finished": {}, "about": {{"data": "d.h5:/x"}},
                           "sessions": [{{"started": "2026-01-31T12:00:00Z", "ranks": 3{}}}]}})",
                      finished, end));
  }

  void write_lease(const std::string& host, std::int64_t process, bool released,
                   std::chrono::seconds age) const {
    write("lease.json", fmt::format(R"({{"format_version": 1, "generation": 2, "renewals": 5,
                                         "released": {}, "host": "{}", "boot": "",
                                         "process": {}}})",
                                    released, host, process));
    fs::last_write_time(root_ / "lease.json", fs::file_time_type::clock::now() - age);
  }

  RunCondition condition() const { return read_run_status(root_).condition; }

  TemporaryFolder folder_;
  fs::path root_ = folder_ / "run";
};

constexpr std::chrono::seconds kFresh{1};
constexpr std::chrono::hours kOld{2};

TEST_F(RunStatuses, FollowARunFromItsBeginningToItsEnd) {
  {
    RunDirectory run(root_);
    EXPECT_EQ(condition(), RunCondition::kStarting);
    run.begin_session("", {{"data", "d.h5:/x"}}, {3, 0, 9, 2, 70});
    const RunStatus status = read_run_status(root_);
    EXPECT_EQ(status.condition, RunCondition::kRunning);
    EXPECT_EQ(status.session.ranks, 3);
    EXPECT_EQ(status.session.planned_steps, 9);
    EXPECT_EQ(status.session.planned_epochs, 2);
    EXPECT_EQ(status.session.planned_samples, 70);
    EXPECT_EQ(status.holder->process, ::getpid());
    EXPECT_EQ(status.holder->host, this_process().host);
    EXPECT_LT(status.holder->age, 20);
    EXPECT_EQ(status.data, "d.h5:/x");
    run.end_session("stopped by a signal", false, {{"steps", 7}});
  }
  EXPECT_EQ(condition(), RunCondition::kStopped);
  EXPECT_EQ(read_run_status(root_).session.reason, "stopped by a signal");
  {
    RunDirectory run(root_);
    EXPECT_EQ(condition(), RunCondition::kStarting);
    run.begin_session("", {}, {3, 7});
    run.end_session("the disk is full", false, {});
  }
  EXPECT_EQ(condition(), RunCondition::kFailed);
  {
    RunDirectory run(root_);
    run.begin_session("", {}, {1, 7});
    run.end_session("finished", true, {{"steps", 9}});
  }
  const RunStatus status = read_run_status(root_);
  EXPECT_EQ(status.condition, RunCondition::kFinished);
  EXPECT_EQ(status.sessions, 3);
}

TEST_F(RunStatuses, WithoutASessionAreEmpty) {
  EXPECT_FALSE(looks_like_run(root_));
  { const RunDirectory run(root_); }  // a start that failed; the folder was there before it
  EXPECT_TRUE(looks_like_run(root_));
  EXPECT_EQ(condition(), RunCondition::kEmpty);
}

TEST_F(RunStatuses, OfAProcessThatIsGone) {
  write_record("");
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t ended{};  // left a zombie: gone all the same
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  write_lease(this_process().host, child, false, kOld);
  EXPECT_EQ(condition(), RunCondition::kDied);
  write_lease("another-host", child, false, kOld);
  EXPECT_EQ(condition(), RunCondition::kSilent);
  write_lease("another-host", child, false, kFresh);
  EXPECT_EQ(condition(), RunCondition::kRunning);
}

TEST_F(RunStatuses, OfAProcessThatLivesAndDoesNotRenew) {
  write_record("");
  write_lease(this_process().host, ::getpid(), false, kOld);
  const RunStatus status = read_run_status(root_);
  EXPECT_EQ(status.condition, RunCondition::kSilent);
  EXPECT_NEAR(status.holder->age, 7200, 60);
}

// Its file system's clock may be ahead of ours.
TEST_F(RunStatuses, OfALeaseFromTheFuture) {
  write_record("");
  write_lease("another-host", 1, false, std::chrono::seconds(-3600));
  const RunStatus status = read_run_status(root_);
  EXPECT_EQ(status.condition, RunCondition::kRunning);
  EXPECT_THAT(status.holder->age, DoubleEq(0));
}

TEST_F(RunStatuses, ThatCannotBeReadSayWhichFile) {
  for (const char* text :
       {"", "{", "[]", "null", R"({"format_version": 1})",
        R"({"format_version": 1, "finished": "no", "sessions": []})",
        R"({"format_version": 1, "finished": true, "sessions": {}})",
        R"({"format_version": 1, "finished": true, "sessions": [7]})", "\xFF\xFE"}) {
    write("run.json", text);
    const RunStatus status = read_run_status(root_);
    EXPECT_EQ(status.condition, RunCondition::kDamaged) << text;
    EXPECT_THAT(status.problem, HasSubstr("run.json")) << text;
  }
  write_record("");
  write("lease.json", R"({"format_version": 1, "released": 1})");
  EXPECT_THAT(read_run_status(root_).problem, HasSubstr("lease.json"));
}

// None of them may be waited for, or followed into memory.
TEST_F(RunStatuses, OfWhatIsNoFile) {
  ASSERT_EQ(::mkfifo((root_ / "run.json").c_str(), 0600), 0);
  EXPECT_THAT(read_run_status(root_).problem, HasSubstr("not a regular file"));
  fs::remove(root_ / "run.json");
  fs::create_symlink("/dev/zero", root_ / "run.json");
  EXPECT_EQ(condition(), RunCondition::kDamaged);
  fs::remove(root_ / "run.json");
  std::ofstream(root_ / "run.json").close();
  fs::resize_file(root_ / "run.json", std::uintmax_t{1} << 40);
  EXPECT_THAT(read_run_status(root_).problem, HasSubstr("more than"));
}

// Every value of another type than ours.
TEST_F(RunStatuses, OfWrongTypesAreNoCrash) {
  for (const char* value :
       {"null", "true", "-1", "1e300", "18446744073709551615", "\"x\"", "[[]]", "{\"a\": {}}"}) {
    write("run.json", fmt::format(R"({{"format_version": 1, "finished": false, "about": {0},
        "sessions": [{{"started": {0}, "ended": {0}, "reason": {0}, "ranks": {0},
                       "result": {0}}}]}})",
                                  value));
    EXPECT_NE(condition(), RunCondition::kFinished) << value;
  }
}

TEST_F(RunStatuses, NewestWholeCheckpoint) {
  const fs::path checkpoints = root_ / "checkpoints";
  for (const std::int64_t step : {3, 12}) {
    const fs::path staging = staging_folder(checkpoints, step, 1);
    Manifest manifest;
    manifest.step = step;
    manifest.files = {stage_file(staging, {"parameters.safetensors", {}})};
    publish_checkpoint(checkpoints, staging, manifest, [] {});
  }
  EXPECT_EQ(read_saved_states(checkpoints).newest->step, 12);
  std::ofstream(checkpoints / checkpoint_name(12) / "parameters.safetensors", std::ios::app) << "x";
  fs::create_directory(checkpoints / checkpoint_name(40));
  const SavedStates states = read_saved_states(checkpoints);
  EXPECT_EQ(states.newest->step, 3);
  EXPECT_LT(states.newest->age, 60);
  EXPECT_THAT(states.damaged, ElementsAre(HasSubstr("step-00000040"), HasSubstr("step-00000012")));
  EXPECT_FALSE(read_saved_states(root_ / "none").newest);
}

// Nothing is wrong with them but that this program cannot read them.
TEST_F(RunStatuses, OfANewerVersionAreUnreadableAndNotDamaged) {
  write("run.json", R"({"format_version": 99, "sessions": {}})");
  const RunStatus status = read_run_status(root_);
  EXPECT_EQ(status.condition, RunCondition::kUnreadable);
  EXPECT_THAT(status.problem, HasSubstr("run.json has format version 99"));
  write_record("");
  EXPECT_NE(condition(), RunCondition::kUnreadable);
  write("lease.json", R"({"format_version": 99})");
  EXPECT_EQ(condition(), RunCondition::kUnreadable);

  const fs::path folder = root_ / "checkpoints" / checkpoint_name(7);
  fs::create_directories(folder);
  std::ofstream(folder / "manifest.json") << R"({"format_version": 99})";
  const SavedStates states = read_saved_states(root_ / "checkpoints");
  EXPECT_THAT(states.unreadable, ElementsAre(HasSubstr("format version 99")));
  EXPECT_THAT(states.damaged, IsEmpty());
}

TEST_F(RunStatuses, Times) {
  EXPECT_NEAR(*seconds_since(utc_now()), 0, 5);
  EXPECT_GT(*seconds_since("2001-01-31T12:00:00Z"), 7e8);
  EXPECT_THAT(*seconds_since("9999-01-31T12:00:00Z"), DoubleEq(0));
  for (const char* none : {"", "yesterday", "2026-01-31", "2026-01-31T12:00:00Zx"}) {
    EXPECT_FALSE(seconds_since(none)) << none;
  }
}

using RunMetricsFiles = RunStatuses;

TEST_F(RunMetricsFiles, TellHowFarARunIs) {
  write("metrics.jsonl",
        R"({"step":1,"samples":10,"epoch":0,"elbo":-5.0,"time":{"seconds":1.0}}
{"step":2,"samples":20,"epoch":0,"elbo":-4.0,"time":{"seconds":2.0}}
{"step":3,"samples":25,"epoch":0,"elbo":-3.0,"time":{"seconds":2.5}}
{"step":3,"samples":25,"epoch":0,"validation_count":4,"validation_elbo":-3.5,"best":1,"time":{}}
{"step":4,"samples":35,"epoch":1,"elbo":-2.0,"time":{"seconds":3.5}}
)");
  const RunMetrics metrics = read_run_metrics(root_ / "metrics.jsonl");
  EXPECT_EQ(metrics.training->step, 4);
  EXPECT_THAT(*metrics.training->elbo, DoubleEq(-2));
  EXPECT_EQ(metrics.validation->step, 3);
  EXPECT_EQ(metrics.best->step, 3);
  EXPECT_LT(metrics.age, 60);
}

TEST_F(RunMetricsFiles, RateIsThatOfTheLastSession) {
  write("metrics.jsonl", R"({"step":1,"samples":10,"epoch":0,"time":{"seconds":100.0}}
{"step":2,"samples":20,"epoch":0,"time":{"seconds":200.0}}
{"step":3,"samples":30,"epoch":0,"time":{"seconds":1.0}}
{"step":5,"samples":50,"epoch":0,"time":{"seconds":3.0}}
)");
  const RunMetrics metrics = read_run_metrics(root_ / "metrics.jsonl");
  EXPECT_THAT(*metrics.samples_per_second, DoubleEq(10));
  EXPECT_FALSE(metrics.training->elbo);
}

TEST_F(RunMetricsFiles, LinesThatAreNoneArePassedOver) {
  write("metrics.jsonl",
        "\n{\n[1]\n{\"step\":\"x\",\"samples\":1,\"epoch\":0}\n\xFF\n"
        "{\"step\":-1,\"samples\":1,\"epoch\":0}\n"
        "{\"step\":2,\"samples\":20,\"epoch\":0,\"elbo\":null,\"time\":7}\n{\"step\":3,\"sam");
  const RunMetrics metrics = read_run_metrics(root_ / "metrics.jsonl");
  EXPECT_EQ(metrics.training->step, 2);
  EXPECT_FALSE(metrics.samples_per_second);
  std::ofstream(root_ / "deep") << std::string(60000, '[') << "\n";
  EXPECT_FALSE(read_run_metrics(root_ / "deep").training);
}

TEST_F(RunMetricsFiles, OfALongFileTheEndIsRead) {
  std::ofstream file(root_ / "metrics.jsonl");
  file << "{\"step\":1,\"samples\":1,\"epoch\":0,\"validation_count\":1,\"best\":1}\n";
  for (int i = 0; i < 17; ++i) file << std::string(1 << 20, ' ') << "\n";
  file << "{\"step\":9,\"samples\":9,\"epoch\":0}\n";
  file.close();
  const RunMetrics metrics = read_run_metrics(root_ / "metrics.jsonl");
  EXPECT_EQ(metrics.training->step, 9);
  EXPECT_FALSE(metrics.best);
}

TEST_F(RunMetricsFiles, OfNoFileAndOfAPipe) {
  EXPECT_FALSE(read_run_metrics(root_ / "none").training);
  ASSERT_EQ(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(read_run_metrics(root_ / "pipe"), std::exception);
}

}  // namespace
}  // namespace elbow
