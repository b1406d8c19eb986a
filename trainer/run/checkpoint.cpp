#include "trainer/run/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/input_file.h"
#include "base/log.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kManifestFormat = 1;
constexpr std::size_t kLargestManifest = 64 << 20;
constexpr std::size_t kMostFiles = 100000;
constexpr std::int64_t kMostSteps = 1'000'000'000'000;
constexpr char kManifestName[] = "manifest.json";
constexpr char kStaging[] = ".staging-";
constexpr char kDiscarded[] = ".discarded-";

[[noreturn]] void refuse(const fs::path& path, const std::string& problem) {
  throw CheckpointError(fmt::format("{}: {}", path.string(), problem));
}

bool is_plain_name(const std::string& name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  return !name.empty() && name.size() <= 64 && name.front() != '.' && name != kManifestName &&
         name.find_first_not_of(kAllowed) == std::string::npos;
}

Json to_json(const Manifest& manifest) {
  const auto object = [](const Json& json) { return json.is_null() ? Json::object() : json; };
  Json files = Json::object();
  for (const StoredFile& file : manifest.files) {
    files[file.name] = {{"size", file.size}, {"xxh3_128", file.hash}};
  }
  return {{"format_version", kManifestFormat},      {"step", manifest.step},
          {"generation", manifest.generation},      {"files", std::move(files)},
          {"record", object(manifest.record)},      {"about", object(manifest.about)},
          {"configuration", manifest.configuration}};
}

std::vector<StoredFile> read_files(const StoredObject& manifest, const Json& files,
                                   const fs::path& path) {
  if (files.size() > kMostFiles) refuse(path, "it names too many files");
  const StoredObject described = manifest.object("files");
  std::vector<StoredFile> stored;
  for (const auto& [name, file] : files.items()) {
    if (!is_plain_name(name)) refuse(path, "it names a file that cannot be one of its own");
    const StoredObject entry = described.object(name);
    stored.push_back(
        {name, static_cast<std::uint64_t>(entry.whole_number("size")), entry.text("xxh3_128")});
  }
  return stored;
}

Manifest read_manifest(const fs::path& path) {
  Json json = read_versioned_json(path, kLargestManifest, kManifestFormat);
  const StoredObject stored(json, path.string());
  stored.text("xxh3_128");
  stored.object("record");
  stored.object("about");
  Manifest manifest;
  manifest.step = stored.whole_number("step");
  manifest.generation = stored.whole_number("generation");
  manifest.record = json["record"];
  manifest.about = json["about"];
  manifest.configuration = stored.text("configuration");
  manifest.files = read_files(stored, json["files"], path);
  return manifest;
}

std::string hash_of_file(const fs::path& path) {
  require_readable(path);
  const InputFile file = errors_as<CheckpointError>([&] { return InputFile(path); });
  std::vector<std::byte> buffer(1 << 20);
  Hash hash;
  std::uint64_t left = file.size();
  for (std::uint64_t offset = 0; left > 0;) {
    const auto piece = std::span(buffer).first(std::min<std::uint64_t>(left, buffer.size()));
    errors_as<CheckpointError>([&] { file.read(offset, piece); });
    hash.add(piece);
    offset += piece.size();
    left -= piece.size();
  }
  return hash.hex();
}

void verify_file(const fs::path& path, const StoredFile& expected) {
  std::error_code error;
  const auto status = fs::symlink_status(path, error);
  if (status.type() == fs::file_type::not_found) refuse(path, "it is missing");
  if (status.type() != fs::file_type::regular) refuse(path, "it is no regular file");
  const std::uint64_t size = fs::file_size(path, error);
  if (error) refuse(path, error.message());
  if (size != expected.size) {
    refuse(path, fmt::format("it has {} bytes instead of {}", size, expected.size));
  }
  if (hash_of_file(path) != expected.hash) refuse(path, "its content does not match its hash");
}

// And the one that it is in; not the run directory, which may have been moved away.
void create_folder(const fs::path& folder) {
  for (const fs::path& path : {folder.parent_path(), folder}) {
    std::error_code error;
    fs::create_directory(path, error);
    if (error) throw Error(fmt::format("cannot make {}: {}", path.string(), error.message()));
  }
}

void rename_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) {
    throw Error(
        fmt::format("cannot rename {} to {}: {}", from.string(), to.string(), error.message()));
  }
}

// Out of the way under another name first, so that no half-removed folder looks like a checkpoint.
void discard(const fs::path& folder) {
  const fs::path discarded = folder.parent_path() / (kDiscarded + folder.filename().string());
  std::error_code ignored;
  fs::remove_all(discarded, ignored);
  rename_folder(folder, discarded);
  fs::remove_all(discarded, ignored);
}

// Verified, and read but for its rows.
Checkpoint load_checkpoint(const fs::path& folder) {
  Checkpoint checkpoint{folder, verify_checkpoint(folder), {}};
  for (const StoredFile& file : checkpoint.manifest.files) {
    if (file.name.starts_with(kRowFiles)) continue;
    checkpoint.files[file.name] = load_safetensors(folder / file.name);
  }
  return checkpoint;
}

bool verifies(const fs::path& folder) {
  try {
    verify_checkpoint(folder);
    return true;
  } catch (const CheckpointError&) {
    return false;
  }
}

}  // namespace

std::string StoredFile::to_text() const { return fmt::format("{} {} {}", name, size, hash); }

StoredFile StoredFile::from_text(const std::string& text) {
  StoredFile file;
  std::istringstream(text) >> file.name >> file.size >> file.hash;
  return file;
}

std::string checkpoint_name(std::int64_t step) { return fmt::format("step-{:08}", step); }

fs::path staging_folder(const fs::path& checkpoints, std::int64_t step, std::int64_t generation) {
  return checkpoints / fmt::format("{}{}-{}", kStaging, step, generation);
}

StoredFile stage_file(const fs::path& staging, const StateFile& file) {
  create_folder(staging);
  StoredFile stored{file.name, 0, ""};
  Hash hash;
  NewFile out(staging / file.name);
  write_safetensors(
      [&](std::string_view bytes) {
        hash.add(bytes);
        stored.size += bytes.size();
        out.write(bytes);
      },
      file.tensors);
  out.finish();
  stored.hash = hash.hex();
  return stored;
}

void publish_checkpoint(const fs::path& checkpoints, const fs::path& staging,
                        const Manifest& manifest, const std::function<void()>& may_publish) {
  create_folder(staging);
  NewFile file(staging / kManifestName);
  file.write(sealed_text(to_json(manifest)));
  file.finish();
  sync_folder(staging);
  const fs::path place = checkpoints / checkpoint_name(manifest.step);
  const bool taken = fs::exists(fs::symlink_status(place));
  if (taken && verifies(place)) {  // the same state, saved before
    std::error_code ignored;
    fs::remove_all(staging, ignored);
    return;
  }
  may_publish();
  if (taken) discard(place);
  rename_folder(staging, place);
  sync_folder(checkpoints);
  sync_folder(checkpoints.parent_path());
  verify_checkpoint(place);
}

Manifest verify_checkpoint(const fs::path& folder) {
  if (fs::symlink_status(folder).type() != fs::file_type::directory) {
    refuse(folder, "it is no folder");
  }
  const fs::path path = folder / kManifestName;
  if (fs::symlink_status(path).type() == fs::file_type::symlink) refuse(path, "it is a link");
  Manifest manifest = read_manifest(path);
  if (folder.filename() != checkpoint_name(manifest.step)) {
    refuse(path, fmt::format("it is that of step {}", manifest.step));
  }
  for (const StoredFile& file : manifest.files) verify_file(folder / file.name, file);
  return manifest;
}

std::vector<std::int64_t> list_checkpoints(const fs::path& checkpoints) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  for (fs::directory_iterator it(checkpoints, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with("step-")) continue;
    std::int64_t step = -1;
    const char* last = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + 5, last, step);
    if (parsed.ec == std::errc() && parsed.ptr == last && step >= 0 && step <= kMostSteps &&
        name == checkpoint_name(step)) {
      steps.push_back(step);
    }
  }
  std::sort(steps.begin(), steps.end(), std::greater<>());
  return steps;
}

std::optional<Checkpoint> load_newest_checkpoint(const fs::path& checkpoints) {
  constexpr int kTries = 10;
  std::vector<std::int64_t> steps;
  for (int i = 0; i < kTries; ++i) {
    steps = list_checkpoints(checkpoints);
    // While a run trains, old checkpoints may go as they are read: then there are newer ones.
    bool all_stay = true;
    for (auto step = steps.begin(); step != steps.end() && all_stay; ++step) {
      const fs::path folder = checkpoints / checkpoint_name(*step);
      try {
        return load_checkpoint(folder);
      } catch (const UnreadableError&) {
        throw;  // it may be whole: what is older is not what the run goes on from
      } catch (const CheckpointError& error) {
        all_stay = fs::exists(folder);
        if (all_stay) log::warning("passing over checkpoint {}: {}", folder.string(), error.what());
      }
    }
    if (all_stay) break;
  }
  if (steps.empty()) return std::nullopt;
  throw CheckpointError(fmt::format(
      "none of the {} checkpoints in {} is as it was written: restore one from a backup, or start "
      "a new run with another --run (--init-from takes over parameters)",
      steps.size(), checkpoints.string()));
}

void prune_checkpoints(const fs::path& checkpoints, std::int64_t keep, std::int64_t keep_every,
                       const std::function<void()>& may_remove) {
  const std::vector<std::int64_t> steps = list_checkpoints(checkpoints);
  for (std::size_t i = static_cast<std::size_t>(std::max<std::int64_t>(keep, 1)); i < steps.size();
       ++i) {
    if (keep_every > 0 && steps[i] % keep_every == 0) continue;
    may_remove();
    discard(checkpoints / checkpoint_name(steps[i]));
  }
}

void remove_leftovers(const fs::path& checkpoints) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator it(checkpoints, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with(kStaging) || name.starts_with(kDiscarded)) leftovers.push_back(it->path());
  }
  for (const fs::path& path : leftovers) {
    // Whole out of the way first: a folder that is half removed must not be published either.
    const fs::path discarded = checkpoints / (kDiscarded + path.filename().string());
    fs::rename(path, discarded, error);
    fs::remove_all(error ? path : discarded, error);
  }
}

}  // namespace elbow
