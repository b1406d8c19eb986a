// A checkpoint on disk: a folder that is whole or not there, and that says so itself.
//
// Files are written into a staging folder and flushed; a manifest with their sizes and hashes, and
// with one of itself, is added; the folder is renamed into place. What bears the name of a
// checkpoint was complete once, and verify_checkpoint tells whether it still is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "trainer/run/safetensors.h"
#include "trainer/run/versioned_json.h"

namespace elbow {

// A file of a checkpoint, before it is written.
struct StateFile {
  std::string name;  // "parameters.safetensors"
  NamedTensors tensors;
};

// The same, written: what the manifest says of it.
struct StoredFile {
  std::string name;
  std::uint64_t size = 0;  // bytes
  std::string hash;        // XXH3-128

  std::string to_text() const;
  static StoredFile from_text(const std::string& text);  // what to_text() made
};

struct Manifest {
  std::int64_t step = 0;
  std::int64_t generation = 0;    // of the lease under which it was written
  nlohmann::ordered_json record;  // the global record: equal for equal runs
  nlohmann::ordered_json about;   // versions and data fingerprint
  std::string configuration;      // config.toml as it was
  std::vector<StoredFile> files;
};

// "step-00001200"
std::string checkpoint_name(std::int64_t step);

// The folder in which the job of this generation makes the checkpoint of this step.
std::filesystem::path staging_folder(const std::filesystem::path& checkpoints, std::int64_t step,
                                     std::int64_t generation);

// Writes and flushes one file. The folder is made when it is missing. Throws Error naming the file.
StoredFile stage_file(const std::filesystem::path& staging, const StateFile& file);

// Adds the manifest and renames the folder to its place under `checkpoints`; a folder there that
// does not verify is replaced. `may_publish` is asked before anything there changes, and throws to
// prevent it; whoever takes the directory over from this job has called remove_leftovers() first.
// Reads everything back and throws CheckpointError unless it verifies.
void publish_checkpoint(const std::filesystem::path& checkpoints,
                        const std::filesystem::path& staging, const Manifest& manifest,
                        const std::function<void()>& may_publish);

// The manifest of a checkpoint whose every byte is as it was written. The folder may be a
// stranger's: names that lead elsewhere, links, absurd sizes are refused. Throws CheckpointError
// saying what is wrong.
Manifest verify_checkpoint(const std::filesystem::path& folder);

// The steps of the folders that bear the name of a checkpoint, newest first.
std::vector<std::int64_t> list_checkpoints(const std::filesystem::path& checkpoints);

// Files of per-sample rows, too many for one rank: load_newest_checkpoint leaves them to their
// owners.
inline constexpr char kRowFiles[] = "rows-";

// A verified checkpoint, read.
struct Checkpoint {
  std::filesystem::path folder;
  Manifest manifest;
  std::map<std::string, NamedTensors> files;
};

// The newest that verifies; names in the log those that it passes over, and why. Throws
// CheckpointError when there are checkpoints and none verifies, and UnreadableError for one that
// may be whole, but that this program cannot read. Nothing when there are none.
std::optional<Checkpoint> load_newest_checkpoint(const std::filesystem::path& checkpoints);

// Removes old checkpoints: the newest `keep` stay, and those whose step is a multiple of
// `keep_every` (0: none). The newest that verifies must be among those that stay: call it after one
// was published. `may_remove` is asked before each, and throws to prevent it.
void prune_checkpoints(
    const std::filesystem::path& checkpoints, std::int64_t keep, std::int64_t keep_every,
    const std::function<void()>& may_remove = [] {});

// Removes what jobs that are no more left half made or half removed; what one that has lost the
// directory was about to publish, it can publish no more.
void remove_leftovers(const std::filesystem::path& checkpoints);

}  // namespace elbow
