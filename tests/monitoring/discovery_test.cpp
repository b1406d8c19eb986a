#include "monitoring/discovery.h"

#include <fstream>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "tests/base/full_disk.h"
#include "tests/base/temporary_folder.h"
#include "tests/base/ended_process.h"

namespace elbow {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
namespace fs = std::filesystem;

class DiscoveryTest : public testing::Test {
 protected:
  DiscoveryTest() {
    fs::create_directory(run);
    fs::create_directory(shared);
  }

  std::vector<std::string> listed() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(shared)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  void put(const std::string& name, const std::string& text) const {
    std::ofstream(shared / name, std::ios::binary) << text;
  }

  // An entry as it is written, but of another process.
  static std::string entry_of(const ProcessIdentity& process) {
    const nlohmann::json labels = {{"job", "elbow"},
                                   {"run", "dead"},
                                   {"__meta_elbow_host", process.host},
                                   {"__meta_elbow_pid_namespace", process.pid_namespace},
                                   {"__meta_elbow_pid", std::to_string(process.pid)},
                                   {"__meta_elbow_started", process.started}};
    return nlohmann::json::array({{{"targets", {"127.0.0.1:1"}}, {"labels", labels}}}).dump();
  }

  // What is logged while a Discovery of this name is made and destroyed.
  std::string said_for(const std::string& name, const fs::path& where) {
    testing::internal::CaptureStderr();
    { const Discovery discovery(name, {"127.0.0.1:9"}, run, where); }
    return testing::internal::GetCapturedStderr();
  }

  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  const fs::path shared = folder / "shared";
};

TEST_F(DiscoveryTest, IsWrittenAndRemoved) {
  {
    const Discovery discovery("first", {"127.0.0.1:41234", "", "[::1]:41235"}, run, shared);
    EXPECT_THAT(discovery.files(), ElementsAre(run / "targets.json", shared / "first.json"));
    const std::string text = read_file(shared / "first.json", 1 << 20);
    EXPECT_EQ(text, read_file(run / "targets.json", 1 << 20));
    const ProcessIdentity self = this_process();
    const nlohmann::json expected = {{{"targets", {"127.0.0.1:41234", "[::1]:41235"}},
                                      {"labels",
                                       {{"job", "elbow"},
                                        {"run", "first"},
                                        {"__meta_elbow_host", self.host},
                                        {"__meta_elbow_pid_namespace", self.pid_namespace},
                                        {"__meta_elbow_pid", std::to_string(::getpid())},
                                        {"__meta_elbow_started", self.started}}}}};
    EXPECT_EQ(nlohmann::json::parse(text), expected);
    EXPECT_THAT(listed(), ElementsAre("first.json"));
  }
  EXPECT_THAT(listed(), IsEmpty());
  EXPECT_TRUE(fs::is_empty(run));
}

TEST_F(DiscoveryTest, WithoutAFolderOnlyTheRunIsListed) {
  const Discovery discovery("first", {"127.0.0.1:1"}, run, "");
  EXPECT_THAT(discovery.files(), ElementsAre(run / "targets.json"));
}

TEST_F(DiscoveryTest, WithoutTargetsTheListIsEmpty) {
  const Discovery discovery("first", {"", ""}, run, shared);
  const auto json = nlohmann::json::parse(read_file(shared / "first.json", 1 << 20));
  EXPECT_EQ(json[0]["targets"], nlohmann::json::array());
}

TEST_F(DiscoveryTest, RelativePathsStayTheSameFiles) {
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  {
    const Discovery discovery("first", {"127.0.0.1:1"}, "run", "shared/");
    fs::current_path("/");
    EXPECT_THAT(listed(), ElementsAre("first.json"));
  }
  EXPECT_THAT(listed(), IsEmpty());
  EXPECT_TRUE(fs::is_empty(run));
  fs::current_path(before);
}

TEST_F(DiscoveryTest, MakesTheFolderButNotItsParents) {
  EXPECT_EQ(said_for("first", folder / "new"), "");
  EXPECT_TRUE(fs::is_directory(folder / "new"));
  EXPECT_THAT(said_for("first", folder / "none" / "new"),
              AllOf(HasSubstr("warning: "), HasSubstr("metrics.discovery"), HasSubstr("none/new")));
  EXPECT_FALSE(fs::exists(folder / "none"));
}

TEST_F(DiscoveryTest, DeadEntriesAreRemoved) {
  const test::Zombie zombie;
  ProcessIdentity successor = this_process();
  successor.started = "1";
  put("dead.json", entry_of(test::ended_process()));
  put("zombie.json", entry_of(zombie.identity()));
  put("successor.json", entry_of(successor));
  const Discovery discovery("first", {"127.0.0.1:1"}, run, shared);
  EXPECT_THAT(listed(), ElementsAre("first.json"));
}

TEST_F(DiscoveryTest, NameOfADeadEntryIsTakenOver) {
  put("first.json", entry_of(test::ended_process()));
  testing::internal::CaptureStderr();
  const Discovery discovery("first", {"127.0.0.1:1"}, run, shared);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(discovery.files(), ElementsAre(run / "targets.json", shared / "first.json"));
}

TEST_F(DiscoveryTest, WhatIsNotSurelyDeadIsLeftAlone) {
  const ProcessIdentity ended = test::ended_process();
  ProcessIdentity elsewhere = ended;
  elsewhere.host = "another-machine";
  ProcessIdentity contained = ended;
  contained.pid_namespace = "pid:[1]";
  nlohmann::json numbers = nlohmann::json::parse(entry_of(ended));
  numbers[0]["labels"]["__meta_elbow_pid"] = ended.pid;
  nlohmann::json others = nlohmann::json::parse(entry_of(ended));
  others[0]["labels"]["job"] = "node";
  nlohmann::json two = nlohmann::json::parse(entry_of(ended));
  two.push_back(two[0]);
  nlohmann::json without = nlohmann::json::parse(entry_of(ended));
  without[0]["labels"].erase("__meta_elbow_started");
  ProcessIdentity group = ended;
  group.pid = -1;
  const std::vector<std::pair<std::string, std::string>> kept = {
      {"alive.json", entry_of(this_process())},
      {"elsewhere.json", entry_of(elsewhere)},
      {"contained.json", entry_of(contained)},
      {"numbers.json", numbers.dump()},
      {"others.json", others.dump()},
      {"two.json", two.dump()},
      {"without.json", without.dump()},
      {"group.json", entry_of(group)},
      {"half.json", entry_of(ended).substr(0, 100)},
      {"empty.json", ""},
      {"null.json", "null"},
      {"list.json", "[]"},
      {"inner.json", "[[]]"},
      {"labels.json", "[{\"labels\": []}]"},
      {"bytes.json", std::string("\xFF\x00\xFE", 3)},
      {"deep.json", std::string(1 << 20, '[')},
      {"deeper.json", std::string(1 << 20, '[') + std::string(1 << 20, ']')},
      {"large.json", std::string(5 << 20, ' ') + entry_of(ended)},
      {"dead.yml", entry_of(ended)},
      {"dead.json.bak", entry_of(ended)}};
  std::vector<std::string> names = {"first.json", "folder.json", "link.json", "pipe.json"};
  for (const auto& [name, text] : kept) {
    put(name, text);
    names.push_back(name);
  }
  fs::create_directory(shared / "folder.json");
  std::ofstream(folder / "dead.json") << entry_of(ended);
  fs::create_symlink(folder / "dead.json", shared / "link.json");
  ASSERT_EQ(::mkfifo((shared / "pipe.json").c_str(), 0600), 0);
  {
    const Discovery discovery("first", {"127.0.0.1:1"}, run, shared);
    EXPECT_THAT(listed(), testing::UnorderedElementsAreArray(names));
  }
  for (const auto& [name, text] : kept) EXPECT_EQ(read_file(shared / name, 1 << 23), text) << name;
}

TEST_F(DiscoveryTest, TwoRunsOfOneNameAreBothListed) {
  const Discovery first("same", {"127.0.0.1:1"}, run, shared);
  const fs::path other = folder / "other";
  fs::create_directory(other);
  testing::internal::CaptureStderr();
  {
    const Discovery second("same", {"127.0.0.1:2"}, other, shared);
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("warning: "), HasSubstr("same.json"), HasSubstr("same-2.json")));
    EXPECT_THAT(listed(), UnorderedElementsAre("same.json", "same-2.json"));
    EXPECT_THAT(read_file(shared / "same.json", 1 << 20), HasSubstr("127.0.0.1:1"));
    EXPECT_THAT(read_file(shared / "same-2.json", 1 << 20), HasSubstr("127.0.0.1:2"));
  }
  EXPECT_THAT(listed(), ElementsAre("same.json"));
}

TEST_F(DiscoveryTest, ManyProcessesOfOneNameAtOnceAreAllListed) {
  constexpr int kProcesses = 8;
  put("same.json", entry_of(test::ended_process()));
  int listed_channel[2];
  int end_channel[2];
  ASSERT_EQ(::pipe(listed_channel), 0);
  ASSERT_EQ(::pipe(end_channel), 0);
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    ::close(end_channel[1]);
    const Discovery discovery("same", {"127.0.0.1:" + std::to_string(i)}, run, shared);
    char byte = 0;
    const bool told = ::write(listed_channel[1], "x", 1) == 1;
    ::_exit(told && ::read(end_channel[0], &byte, 1) == 0 ? 0 : 1);  // when the parent closes it
  }
  for (int i = 0; i < kProcesses; ++i) {
    char byte = 0;
    ASSERT_EQ(::read(listed_channel[0], &byte, 1), 1);
  }
  std::vector<std::string> targets;
  std::vector<std::string> expected;
  for (int i = 0; i < kProcesses; ++i) {
    const std::string name = i == 0 ? "same.json" : "same-" + std::to_string(i + 1) + ".json";
    const auto json = nlohmann::json::parse(read_file(shared / name, 1 << 20));
    targets.push_back(json[0]["targets"][0]);
    expected.push_back("127.0.0.1:" + std::to_string(i));
  }
  EXPECT_THAT(targets, testing::UnorderedElementsAreArray(expected));
  EXPECT_EQ(listed().size(), static_cast<std::size_t>(kProcesses));
  ::close(end_channel[1]);
  for (const pid_t child : children) {
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  for (const int fd : {listed_channel[0], listed_channel[1], end_channel[0]}) ::close(fd);
}

TEST_F(DiscoveryTest, OnlyItsOwnFilesAreRemoved) {
  {
    const Discovery discovery("first", {"127.0.0.1:1"}, run, shared);
    put("first.json", "somebody else's");
    fs::remove(run / "targets.json");
  }
  EXPECT_EQ(read_file(shared / "first.json", 100), "somebody else's");
}

TEST_F(DiscoveryTest, LeftoverInTheRunsDirectoryIsReplaced) {
  std::ofstream(run / "targets.json") << entry_of(test::ended_process());
  const Discovery discovery("first", {"127.0.0.1:7"}, run, "");
  EXPECT_THAT(read_file(run / "targets.json", 1 << 20), HasSubstr("127.0.0.1:7"));
}

TEST_F(DiscoveryTest, WhatCannotBeWrittenIsAWarning) {
  std::ofstream(folder / "file") << "x";
  EXPECT_THAT(said_for("first", folder / "file"),
              AllOf(HasSubstr("warning: "), HasSubstr("metrics.discovery")));
  testing::internal::CaptureStderr();
  {
    const Discovery discovery("first", {"127.0.0.1:1"}, folder / "none", shared);
    EXPECT_THAT(discovery.files(), ElementsAre(shared / "first.json"));
  }
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("warning: "), HasSubstr("none/targets.json")));
}

TEST_F(DiscoveryTest, FullDiskIsAWarningAndLeavesNothing) {
  testing::internal::CaptureStderr();
  {
    const std::vector<std::string> targets(1000, "127.0.0.1:12345");
    const FullDisk full(4096);
    const Discovery discovery("first", targets, run, shared);
    EXPECT_THAT(discovery.files(), IsEmpty());
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, AllOf(HasSubstr("targets.json"), HasSubstr("metrics.discovery")));
  EXPECT_THAT(listed(), IsEmpty());
  EXPECT_TRUE(fs::is_empty(run));
}

TEST_F(DiscoveryTest, FolderThatSomebodyKeepsLockedIsUsedAllTheSame) {
  const int fd = ::open(shared.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  {
    const Discovery discovery("first", {"127.0.0.1:1"}, run, shared);
    EXPECT_THAT(listed(), ElementsAre("first.json"));
  }
  ::close(fd);
}

TEST_F(DiscoveryTest, AnyNameIsSafe) {
  const std::string hostile = std::string("../../x/\n\0\xFF", 11) + std::string(1000, 'y');
  {
    const Discovery discovery(hostile, {"127.0.0.1:1"}, run, shared);
    ASSERT_EQ(discovery.files().size(), 2u);
    EXPECT_EQ(discovery.files()[1].parent_path(), shared);
    EXPECT_NO_THROW(nlohmann::json::parse(read_file(discovery.files()[1], 1 << 20)));
  }
  EXPECT_THAT(listed(), IsEmpty());
  EXPECT_THAT(folder.names(), UnorderedElementsAre("run", "shared"));
}

TEST(SafeFileName, Examples) {
  EXPECT_EQ(safe_file_name("first-run_2.v3"), "first-run_2.v3");
  EXPECT_EQ(safe_file_name("a/b c"), "a_b_c");
  EXPECT_EQ(safe_file_name(".."), "_.");
  EXPECT_EQ(safe_file_name("-rf"), "_rf");
  EXPECT_EQ(safe_file_name(""), "_");
  EXPECT_EQ(safe_file_name("größe"), "gr____e");
  EXPECT_EQ(safe_file_name(std::string(1000, 'x')), std::string(100, 'x'));
}

// Prometheus' own reading: the files are found, and nothing of the bookkeeping becomes a label.
TEST_F(DiscoveryTest, PrometheusDropsTheBookkeeping) {
  const Discovery discovery("first", {"127.0.0.1:41234"}, run, shared);
  std::ofstream(folder / "prometheus.yml")
      << "scrape_configs:\n- job_name: elbow\n  file_sd_configs:\n  - files: ['" << shared.string()
      << "/*.json']\n";
  const std::string command = "promtool check service-discovery --timeout=3s " +
                              (folder / "prometheus.yml").string() + " elbow >" +
                              (folder / "found.json").string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto found = nlohmann::json::parse(read_file(folder / "found.json", 1 << 20));
  ASSERT_EQ(found.size(), 1u);
  const nlohmann::json& labels = found[0]["labels"];
  EXPECT_EQ(labels["instance"], "127.0.0.1:41234");
  EXPECT_EQ(labels["job"], "elbow");
  EXPECT_EQ(labels["run"], "first");
  EXPECT_THAT(labels.dump(), testing::Not(HasSubstr("__meta_")));
  EXPECT_EQ(found[0]["discoveredLabels"]["__meta_elbow_pid"], std::to_string(::getpid()));
}

}  // namespace
}  // namespace elbow
