#include "base/log.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/text.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

// The log belongs to the process: each test puts back what it changed.
class Log : public testing::Test {
 protected:
  void TearDown() override {
    log::set_progress_shown(false);
    log::set_rank(0, 1);
    log::set_level(log::Level::kInfo);
  }
};

TEST_F(Log, PlainLines) {
  CaptureStderr();
  log::debug("hidden");
  log::info("read {} images", 3);
  log::warning("slow");
  log::error("gone");
  EXPECT_EQ(GetCapturedStderr(), "read 3 images\nwarning: slow\nerror: gone\n");
}

TEST_F(Log, OtherRanksOnlyWarn) {
  log::set_rank(2, 4);
  CaptureStderr();
  log::info("hidden");
  log::warning("slow");
  EXPECT_EQ(GetCapturedStderr(), "[rank 2] warning: slow\n");
}

// How much is shown does not change what is kept.
TEST_F(Log, AQuietProgramKeepsItsLogWhole) {
  const TemporaryFolder folder;
  log::open_file(folder / "log.jsonl");
  log::set_level(log::Level::kWarning);
  CaptureStderr();
  testing::internal::CaptureStdout();
  log::debug("detail");
  log::info("epoch 1");
  log::warning("slow");
  log::result("ELBO 3\x1b");
  EXPECT_EQ(GetCapturedStderr(), "warning: slow\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "ELBO 3\\u001b\n");
  std::vector<std::string> kept;
  for (const auto& line : split(read_file(folder / "log.jsonl", 1 << 20), '\n')) {
    if (line.empty()) continue;
    const auto json = nlohmann::json::parse(line);
    kept.push_back(json.at("level").get<std::string>() + ": " +
                   json.at("message").get<std::string>());
  }
  EXPECT_THAT(kept, testing::ElementsAre("info: epoch 1", "warning: slow", "info: ELBO 3\\u001b"));
}

TEST_F(Log, AVerboseProgramKeepsWhatItShows) {
  const TemporaryFolder folder;
  log::open_file(folder / "log.jsonl");
  log::set_level(log::Level::kDebug);
  CaptureStderr();
  log::debug("detail");
  EXPECT_EQ(GetCapturedStderr(), "detail\n");
  EXPECT_THAT(read_file(folder / "log.jsonl", 1 << 20), testing::HasSubstr("detail"));
}

TEST_F(Log, LinesEraseAProgressBar) {
  log::set_progress_shown(true);
  CaptureStderr();
  log::info("saved");
  EXPECT_EQ(GetCapturedStderr(), "\r\x1b[Ksaved\n");
}

// On the terminal and in the file, which people show on terminals.
TEST_F(Log, NamesOfStrangersAreClean) {
  const TemporaryFolder folder;
  log::open_file(folder / "log.jsonl");
  CaptureStderr();
  log::warning("cannot read {}", "a\x1b[31m\u202E\xff");
  EXPECT_EQ(GetCapturedStderr(), "warning: cannot read a\\u001b[31m\\u202e\\xff\n");
  const auto line = nlohmann::json::parse(read_file(folder / "log.jsonl", 1 << 20));
  EXPECT_EQ(line.at("message"), "cannot read a\\u001b[31m\\u202e\\xff");
}

TEST_F(Log, FileThatCannotBeOpenedIsNamed) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "file", "");
  const auto path = folder / "file" / "log.jsonl";
  try {
    log::open_file(path);
    FAIL() << "opened " << path;
  } catch (const CheckpointError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(path.string()));
  }
}

TEST_F(Log, JsonLinesFromManyThreads) {
  const TemporaryFolder folder;
  const auto path = folder / "log.jsonl";
  CaptureStderr();
  log::open_file(path);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 50; ++i) {
        log::set_progress_shown(i % 2 == 0);
        log::info("thread {} says \"{}\"\n\x80", t, i);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  GetCapturedStderr();
  auto lines = split(read_file(path, 1 << 20), '\n');
  ASSERT_EQ(lines.back(), "");
  lines.pop_back();
  ASSERT_EQ(lines.size(), 200U);
  for (const auto& line : lines) {
    const auto object = nlohmann::json::parse(line);
    EXPECT_EQ(object.at("level"), "info");
    EXPECT_EQ(object.at("rank"), 0);
    EXPECT_THAT(object.at("time").get<std::string>(),
                testing::MatchesRegex("20..-..-..T..:..:.....Z|20..-..-..T..:..:..[.]...Z"));
    EXPECT_THAT(object.at("message").get<std::string>(), testing::HasSubstr("says"));
  }
}

TEST_F(Log, BeginsALineOfItsOwnAfterATornOne) {
  const TemporaryFolder folder;
  const auto path = folder / "log.jsonl";
  const std::string before = "{\"message\":\"whole\"}\n{\"message\":\"to";
  write_file_atomically(path, before);
  CaptureStderr();
  log::open_file(path);
  log::info("first");
  GetCapturedStderr();
  const auto lines = split(read_file(path, 1 << 20), '\n');
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0] + "\n" + lines[1], before);
  EXPECT_EQ(nlohmann::json::parse(lines[2]).at("message"), "first");
}

}  // namespace
}  // namespace elbow
