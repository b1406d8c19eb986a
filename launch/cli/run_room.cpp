#include "launch/cli/run_room.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/interval.h"
#include "base/log.h"
#include "base/text.h"
#include "trainer/model/model.h"
#include "trainer/training/batches.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

// A row, its two moments, and how often it was moved.
std::uint64_t row_bytes(std::int64_t samples, std::int64_t width) {
  constexpr std::uint64_t kTensors = 3;
  if (width == 0) return 0;
  return static_cast<std::uint64_t>(samples) *
         (kTensors * sizeof(float) * static_cast<std::uint64_t>(width) + sizeof(std::int64_t));
}

// How many checkpoints the course makes; of those made by the clock any number.
std::int64_t checkpoints_made(const Interval& every, const Course& course) {
  constexpr std::int64_t kAnyNumber = 1'000'000'000;
  const double steps = static_cast<double>(course.steps());
  const double epochs = static_cast<double>(course.epochs());
  switch (every.unit) {
    case Interval::Unit::kNever:
      return 1;
    case Interval::Unit::kSteps:
      return static_cast<std::int64_t>(std::ceil(steps / every.count));
    case Interval::Unit::kEpochs:
      return static_cast<std::int64_t>(std::ceil(epochs / every.count));
    case Interval::Unit::kSeconds:
      break;
  }
  return kAnyNumber;
}

std::int64_t checkpoints_at_once(const CheckpointOptions& options, const Course& course) {
  const std::int64_t made = checkpoints_made(parse_interval(options.every), course);
  std::int64_t kept = options.keep + 1;  // an old one goes when the new one is there
  if (options.keep_every > 0) kept += course.steps() / options.keep_every;
  return std::min(made, kept);
}

// What the files below a folder take; what goes away meanwhile takes nothing.
std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    const auto size = it->is_regular_file(ignored) ? it->file_size(ignored) : 0;
    if (!ignored) bytes += size;
  }
  return bytes;
}

// On the disk where a directory lies, or will lie; nothing where that cannot be told.
std::optional<std::uint64_t> free_bytes(const fs::path& run) {
  std::error_code error;
  fs::path place = fs::absolute(run, error);
  while (!error && !fs::exists(place, error) && place.has_relative_path()) {
    place = place.parent_path();
    error.clear();
  }
  const auto space = fs::space(place, error);
  if (error) return std::nullopt;
  return static_cast<std::uint64_t>(space.available);
}

std::string bytes_text(std::uint64_t bytes) { return human_bytes(static_cast<double>(bytes)); }

}  // namespace

RunRoom room_of_run(const Configuration& configuration, const Procedure& procedure,
                    TrainingSet& set) {
  const auto parameters = static_cast<std::uint64_t>(describe(procedure).bytes);
  const Course course(set.order().size(), configuration.training, procedure.stages().size());
  const bool has_average = configuration.training.average > 0;
  const std::uint64_t moments = configuration.optimizer.kind == "sgd" ? 1 : 2;
  const std::uint64_t copies = 1 + moments + (has_average ? 1 : 0) + (set.has_validation() ? 1 : 0);
  RunRoom room;
  room.parameters = parameters;
  room.checkpoint = copies * parameters + row_bytes(set.images().size(), procedure.row_width());
  room.checkpoints = checkpoints_at_once(configuration.checkpoint, course);
  const std::uint64_t files = has_average ? 3 : 2;
  room.whole = static_cast<std::uint64_t>(room.checkpoints) * room.checkpoint + files * parameters;
  return room;
}

std::string room_text(const RunRoom& room, const fs::path& run) {
  std::string text = fmt::format("{} a checkpoint, up to {} in all", bytes_text(room.checkpoint),
                                 bytes_text(room.whole));
  if (run.empty()) return text;
  const auto free = free_bytes(run);
  if (!free) return text;
  text += fmt::format("; {} free for {}", bytes_text(*free), run.string());
  if (*free + bytes_below(run) < room.whole) text += ": too little";
  return text;
}

void require_room(const RunRoom& room, const fs::path& run) {
  const auto free = free_bytes(run);
  if (!free) return;
  const std::string there = fmt::format("{} are free for {}", bytes_text(*free), run.string());
  if (*free < room.checkpoint + room.parameters) {
    throw Error(fmt::format(
        "{}, and a checkpoint of this run takes {}: it could not be finished; make room, or choose "
        "a --run on another disk",
        there, bytes_text(room.checkpoint)));
  }
  if (*free + bytes_below(run) >= room.whole) return;
  log::warning(
      "{}, and the run directory may take {} ({} of {}, and parameters): make room, or lower "
      "--checkpoint.keep",
      there, bytes_text(room.whole), counted(room.checkpoints, "checkpoint"),
      bytes_text(room.checkpoint));
}

}  // namespace elbow
