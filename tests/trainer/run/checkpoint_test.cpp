#include "trainer/run/checkpoint.h"

#include <array>
#include <fstream>
#include <random>
#include <utility>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "tests/base/message_of.h"
#include "tests/base/temporary_folder.h"

// What happens in the directory just before its next file is read.
namespace {
std::function<void()> before_next_read;
}  // namespace

extern "C" int access(const char* path, int mode) noexcept {
  if (const auto act = std::exchange(before_next_read, nullptr)) act();
  return ::faccessat(AT_FDCWD, path, mode, 0);
}

namespace elbow {
namespace {

namespace fs = std::filesystem;
using test::message_of;
using testing::AllOf;
using testing::HasSubstr;

class Checkpoints : public testing::Test {
 protected:
  static std::vector<StateFile> state(double value) {
    return {{"parameters.safetensors", {{"encoder.0.weight", torch::full({7, 5}, value)}}},
            {"optimizer.safetensors", {{"steps", torch::full({1}, 3, torch::kLong)}}}};
  }

  void save(std::int64_t step, std::int64_t generation = 1) {
    const fs::path staging = staging_folder(root_, step, generation);
    Manifest manifest;
    manifest.step = step;
    manifest.generation = generation;
    manifest.record = {{"step", step}, {"usual_norm", 0.1}};
    manifest.about = {{"elbow", "0.1.0"}};
    manifest.configuration = "[training]\nseed = 1\n";
    for (const StateFile& file : state(static_cast<double>(step))) {
      manifest.files.push_back(stage_file(staging, file));
    }
    publish_checkpoint(root_, staging, manifest, [] {});
  }

  std::string problem_of(std::int64_t step) {
    try {
      verify_checkpoint(root_ / checkpoint_name(step));
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return "";
  }

  static void write(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  // Replaces `from` by `to` in the manifest and gives it a hash that fits, as a stranger would.
  void forge(std::int64_t step, const std::string& from, const std::string& to) {
    const fs::path path = root_ / checkpoint_name(step) / "manifest.json";
    std::string text = read_file(path, 1 << 20);
    const auto found = text.find(from);
    ASSERT_NE(found, std::string::npos) << text;
    auto json = nlohmann::ordered_json::parse(text.replace(found, from.size(), to));
    json.erase("xxh3_128");
    json["xxh3_128"] = hash_hex(json.dump());
    write(path, json.dump(1) + "\n");
  }

  TemporaryFolder folder_;
  fs::path root_ = folder_ / "checkpoints";
};

TEST_F(Checkpoints, GiveBackWhatWasSaved) {
  save(40);
  save(1200);
  const auto newest = load_newest_checkpoint(root_);
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->manifest.step, 1200);
  EXPECT_EQ(newest->manifest.record["usual_norm"], 0.1);
  EXPECT_EQ(newest->manifest.configuration, "[training]\nseed = 1\n");
  EXPECT_TRUE(torch::equal(newest->files.at("parameters.safetensors").at("encoder.0.weight"),
                           torch::full({7, 5}, 1200.0)));
  EXPECT_EQ(list_checkpoints(root_), (std::vector<std::int64_t>{1200, 40}));
}

TEST_F(Checkpoints, NoneAreNoError) { EXPECT_FALSE(load_newest_checkpoint(root_)); }

TEST_F(Checkpoints, OfEqualStatesAreEqualBytes) {
  save(5);
  const std::string first = read_file(root_ / "step-00000005" / "manifest.json", 1 << 20);
  fs::remove_all(root_);
  save(5);
  EXPECT_EQ(read_file(root_ / "step-00000005" / "manifest.json", 1 << 20), first);
}

// Row 6 of the faults: a thousand single flipped bits, over all files of a checkpoint, weighted by
// their size and with the small ones at least a hundred times.
TEST_F(Checkpoints, NoFlippedBitIsLoaded) {
  save(1);
  save(2);
  const fs::path newest = root_ / checkpoint_name(2);
  std::mt19937_64 random(20260);
  int trials = 0;
  for (const char* name : {"manifest.json", "parameters.safetensors", "optimizer.safetensors"}) {
    const fs::path path = newest / name;
    const std::string good = read_file(path, 1 << 20);
    for (int trial = 0; trial < 334; ++trial, ++trials) {
      const std::uint64_t bit = random() % (good.size() * 8);
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
      write(path, bad);
      ASSERT_NE(problem_of(2), "") << name << " bit " << bit;
      const auto loaded = load_newest_checkpoint(root_);
      ASSERT_TRUE(loaded);
      ASSERT_EQ(loaded->manifest.step, 1) << name << " bit " << bit;
    }
    write(path, good);
  }
  EXPECT_GE(trials, 1000);
  EXPECT_EQ(problem_of(2), "");
}

TEST_F(Checkpoints, NoTruncatedFileIsLoaded) {
  save(1);
  save(2);
  std::mt19937_64 random(20261);
  for (int trial = 0; trial < 51; ++trial) {
    const char* names[] = {"manifest.json", "parameters.safetensors", "optimizer.safetensors"};
    const fs::path path = root_ / checkpoint_name(2) / names[trial % 3];
    const std::string good = read_file(path, 1 << 20);
    write(path, good.substr(0, trial < 3 ? 0 : random() % good.size()));
    ASSERT_EQ(load_newest_checkpoint(root_)->manifest.step, 1) << path;
    write(path, good);
  }
  EXPECT_EQ(load_newest_checkpoint(root_)->manifest.step, 2);
}

TEST_F(Checkpoints, AreRefusedWithTheReason) {
  save(1);
  const fs::path place = root_ / checkpoint_name(1);
  write(place / "parameters.safetensors", "x");
  EXPECT_THAT(problem_of(1), HasSubstr("parameters.safetensors: it has 1 bytes instead of"));
  fs::remove(place / "parameters.safetensors");
  EXPECT_THAT(problem_of(1), HasSubstr("parameters.safetensors: it is missing"));
  fs::create_symlink("/etc/passwd", place / "parameters.safetensors");
  EXPECT_THAT(problem_of(1), HasSubstr("it is no regular file"));
  fs::remove(place / "manifest.json");
  EXPECT_THAT(problem_of(1), HasSubstr("manifest.json"));
  try {
    load_newest_checkpoint(root_);
    FAIL() << "nothing was thrown";
  } catch (const CheckpointError& error) {
    EXPECT_THAT(error.what(), HasSubstr("none of the 1 checkpoints"));
  }
}

// Row 8: a stranger's manifest, whose hash fits.
TEST_F(Checkpoints, OfAStrangerReachNothingOutside) {
  write(folder_ / "secret", "secret");
  save(1);
  forge(1, "\"optimizer.safetensors\"", "\"../../secret\"");
  EXPECT_THAT(problem_of(1), HasSubstr("names a file that cannot be one of its own"));
  fs::remove_all(root_);
  save(1);
  forge(1, "\"size\": ", "\"size\": 99999999999");
  EXPECT_THAT(problem_of(1), HasSubstr("instead of 99999999999"));
  fs::remove_all(root_);
  save(1);
  forge(1, "\"size\": ", "\"size\": -");
  EXPECT_THAT(problem_of(1), HasSubstr("size' is no whole number from 0 on"));
  fs::remove_all(root_);
  save(1);
  forge(1, "\"step\": 1", "\"step\": 7");
  EXPECT_THAT(problem_of(1), HasSubstr("it is that of step 7"));
  fs::remove_all(root_);
  save(1);
  fs::rename(root_ / checkpoint_name(1), folder_ / "elsewhere");
  fs::create_directory_symlink(folder_ / "elsewhere", root_ / checkpoint_name(1));
  EXPECT_THAT(problem_of(1), HasSubstr("it is no folder"));
}

TEST_F(Checkpoints, KeepTheNewestAndEveryKth) {
  for (const std::int64_t step : {10, 20, 25, 30, 40, 45}) save(step);
  prune_checkpoints(root_, 2, 20);
  EXPECT_EQ(list_checkpoints(root_), (std::vector<std::int64_t>{45, 40, 20}));
  prune_checkpoints(root_, 1, 0);
  EXPECT_EQ(list_checkpoints(root_), (std::vector<std::int64_t>{45}));
}

TEST_F(Checkpoints, WhatIsNotOneIsLeftAlone) {
  save(10);
  for (const char* name :
       {"step-", "step-x", "step-12", "step-00000012x", "other", ".staging-3-1"}) {
    fs::create_directories(root_ / name);
  }
  EXPECT_EQ(list_checkpoints(root_), (std::vector<std::int64_t>{10}));
  remove_leftovers(root_);
  EXPECT_FALSE(fs::exists(root_ / ".staging-3-1"));
  EXPECT_TRUE(fs::exists(root_ / "other"));
}

TEST_F(Checkpoints, ADamagedOneIsReplacedByItsStepSavedAgain) {
  save(10);
  write(root_ / checkpoint_name(10) / "optimizer.safetensors", "damaged");
  save(10, 2);
  EXPECT_EQ(problem_of(10), "");
  EXPECT_EQ(verify_checkpoint(root_ / checkpoint_name(10)).generation, 2);
  // A good one stays as it is.
  save(10, 3);
  EXPECT_EQ(verify_checkpoint(root_ / checkpoint_name(10)).generation, 2);
  EXPECT_FALSE(fs::exists(staging_folder(root_, 10, 3)));
}

TEST_F(Checkpoints, WhoseManifestHasOtherTypesAreRefusedByTheMember) {
  save(10);
  const std::string sound = read_file(root_ / checkpoint_name(10) / "manifest.json", 1 << 20);
  for (const auto& [from, to, member] : std::vector<std::array<const char*, 3>>{
           {"\"step\": 10,", "\"step\": \"10\",", "step"},
           {"\"generation\": 1", "\"generation\": -1", "generation"},
           {"\"about\": {", "\"about\": 3, \"x\": {", "about"},
           {"\"record\": {", "\"record\": null, \"x\": {", "record"},
           {"\"files\": {", "\"files\": [], \"x\": {", "files"},
           {"\"configuration\": \"", "\"configuration\": {}, \"x\": \"", "configuration"},
           {"\"size\": ", "\"size\": -", "size"},
           {"\"xxh3_128\": \"", "\"xxh3_128\": 1, \"x\": \"", "xxh3_128"}}) {
    write(root_ / checkpoint_name(10) / "manifest.json", sound);
    forge(10, from, to);
    EXPECT_THAT(problem_of(10), AllOf(HasSubstr("manifest.json is damaged: '"),
                                      HasSubstr(std::string(member) + "' is ")))
        << to;
  }
}

// It may be whole, and what is older is not what the run goes on from.
TEST_F(Checkpoints, OfANewerVersionAreNotPassedOver) {
  save(10);
  save(20);
  forge(20, "\"format_version\": 1", "\"format_version\": 2");
  EXPECT_THAT(message_of([&] { load_newest_checkpoint(root_); }),
              HasSubstr("has format version 2, this program reads version 1"));
}

TEST_F(Checkpoints, ThatGoAwayWhileTheyAreReadAreNotDamaged) {
  save(10);
  before_next_read = [&] {
    save(20);
    prune_checkpoints(root_, 1, 0);
  };
  const auto newest = load_newest_checkpoint(root_);
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->manifest.step, 20);
}

// One that was renamed under its job must not come back empty.
TEST_F(Checkpoints, DoNotMakeARunDirectoryAnew) {
  const fs::path run = root_ / "run";
  EXPECT_THROW(stage_file(staging_folder(run / "checkpoints", 3, 1), state(1).front()), Error);
  EXPECT_FALSE(fs::exists(run));
}

TEST_F(Checkpoints, AreNotPublishedByAJobThatMayNot) {
  const fs::path staging = staging_folder(root_, 3, 1);
  Manifest manifest;
  manifest.step = 3;
  manifest.record = nlohmann::ordered_json::object();
  manifest.files.push_back(stage_file(staging, state(1).front()));
  EXPECT_THROW(publish_checkpoint(root_, staging, manifest,
                                  [] { throw CheckpointError("another job has the directory"); }),
               CheckpointError);
  EXPECT_TRUE(list_checkpoints(root_).empty());
}

}  // namespace
}  // namespace elbow
