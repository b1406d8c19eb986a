#include "trainer/run/run_directory.h"

#include <fstream>

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

class RunDirectories : public testing::Test {
 protected:
  std::string message_for(const std::filesystem::path& root) {
    try {
      RunDirectory directory(root);
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
  std::filesystem::path root_ = folder_ / "runs" / "first";
};

TEST_F(RunDirectories, GoFromNewToUnfinishedToFinished) {
  {
    RunDirectory run(root_);
    EXPECT_EQ(run.state(), RunState::kNew);
    run.begin_session("[model]\n", {{"elbow", "0.1.0"}}, {2});
  }
  {
    RunDirectory run(root_);
    EXPECT_EQ(run.state(), RunState::kUnfinished);
    EXPECT_EQ(run.last_reason(), "");
    EXPECT_EQ(run.stored_configuration(), "[model]\n");
    run.begin_session("[model]\n", {{"elbow", "0.1.0"}}, {3, 40});
    run.end_session("finished", true, {{"steps", 5}});
  }
  RunDirectory run(root_);
  EXPECT_EQ(run.state(), RunState::kFinished);
  EXPECT_EQ(run.last_reason(), "finished");
}

TEST_F(RunDirectories, AreClearedOfWhatKilledProcessesLeft) {
  { RunDirectory(root_).begin_session("", {}, {}); }
  for (const char* name : {"run.json.tmp-4711", "parameters.safetensors.tmp-1", "notes.tmp-x"}) {
    std::ofstream(root_ / name) << "half";
  }
  RunDirectory run(root_);
  EXPECT_FALSE(std::filesystem::exists(root_ / "run.json.tmp-4711"));
  EXPECT_FALSE(std::filesystem::exists(root_ / "parameters.safetensors.tmp-1"));
  EXPECT_TRUE(std::filesystem::exists(root_ / "notes.tmp-x"));
}

// A disk that fails after the first file leaves a directory that the next start takes.
TEST_F(RunDirectories, WhereASessionCouldNotBeginAreStillOurs) {
  {
    RunDirectory run(root_);
    std::ofstream(root_ / "config.toml") << "[model]";
  }
  EXPECT_EQ(message_for(root_), "");
}

TEST_F(RunDirectories, BeginningAgainRemovesWhatAnUnfinishedSessionLeft) {
  const RunPaths paths{root_};
  {
    RunDirectory run(root_);
    run.begin_session("", {}, {});
    std::ofstream(paths.metrics()) << "{}\n";
    std::ofstream(paths.parameters()) << "x";
  }
  RunDirectory run(root_);
  run.begin_session("", {}, {});
  EXPECT_FALSE(std::filesystem::exists(paths.metrics()));
  EXPECT_FALSE(std::filesystem::exists(paths.parameters()));
}

// Who asks for the last parameters of a run that goes on is given those of a checkpoint.
TEST_F(RunDirectories, GoingOnRemovesTheLastParametersOfTheSessionBefore) {
  const RunPaths paths{root_};
  RunDirectory run(root_);
  run.begin_session("", {}, {});
  const auto files = {paths.last_parameters(), paths.average_parameters(), paths.parameters(),
                      paths.metrics()};
  for (const auto& path : files) std::ofstream(path) << "x";
  run.end_session("finished", true, {});
  run.begin_session("", {}, {1, 40});  // it is extended
  EXPECT_EQ(run.state(), RunState::kUnfinished);
  EXPECT_FALSE(std::filesystem::exists(paths.last_parameters()));
  EXPECT_FALSE(std::filesystem::exists(paths.average_parameters()));
  EXPECT_TRUE(std::filesystem::exists(paths.parameters()));
  EXPECT_TRUE(std::filesystem::exists(paths.metrics()));
}

TEST_F(RunDirectories, LeaveNothingWhenNoSessionBegan) {
  { RunDirectory run(root_); }
  EXPECT_FALSE(std::filesystem::exists(root_));
}

TEST_F(RunDirectories, LeaveADirectoryThatWasThereBefore) {
  std::filesystem::create_directories(root_);
  { RunDirectory run(root_); }
  EXPECT_TRUE(std::filesystem::exists(root_));
}

TEST_F(RunDirectories, OnlyOneProcessAtATime) {
  RunDirectory first(root_);
  EXPECT_NE(message_for(root_).find("another process is training"), std::string::npos);
}

TEST_F(RunDirectories, RefusesAFolderOfOtherThings) {
  std::filesystem::create_directories(root_);
  std::ofstream(root_ / "thesis.tex") << "precious";
  EXPECT_NE(message_for(root_).find("holds files but no run"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(root_ / "thesis.tex"));
}

TEST_F(RunDirectories, RefusesAFileInItsPlace) {
  std::filesystem::create_directories(root_.parent_path());
  std::ofstream(root_) << "x";
  EXPECT_NE(message_for(root_).find("cannot make the run directory"), std::string::npos);
}

TEST_F(RunDirectories, RefusesADamagedRecord) {
  {
    RunDirectory run(root_);
    run.begin_session("", {}, {});
  }
  for (const char* text : {"", "{", "[]", R"({"format_version": 1})",
                           R"({"format_version": 1, "sessions": 3, "finished": true})",
                           R"({"format_version": 1, "sessions": [1], "finished": false})"}) {
    std::ofstream(RunPaths{root_}.record()) << text;
    EXPECT_NE(message_for(root_).find("is damaged"), std::string::npos) << text;
  }
  std::ofstream(RunPaths{root_}.record()) << R"({"format_version": 99})";
  EXPECT_NE(message_for(root_).find("format version 99"), std::string::npos);
}

TEST_F(RunDirectories, ReadersAreToldWhatIsMissing) {
  try {
    require_run(root_);
    FAIL() << "nothing was thrown";
  } catch (const CheckpointError& error) {
    EXPECT_NE(std::string(error.what()).find("does not exist"), std::string::npos);
    EXPECT_EQ(error.code(), ExitCode::kCheckpoint);
  }
}

}  // namespace
}  // namespace elbow
