#include "trainer/run/checkpoint_writer.h"

#include <sstream>

#include "base/error.h"
#include "base/interval.h"
#include "base/log.h"
#include "trainer/comm/together.h"

namespace elbow {

void declare(OptionTable& table, CheckpointOptions& options) {
  table
      .add("checkpoint.every", &options.every,
           "how often the state is saved, beside the end of a run: N steps, N epochs, N s, N min, "
           "N h, never",
           TextCheck(interval_problem))
      .may_change = true;
  table
      .add("checkpoint.keep", &options.keep, "the newest so many checkpoints are kept",
           between(1, 1000000))
      .may_change = true;
  table
      .add("checkpoint.keep_every", &options.keep_every,
           "checkpoints whose step is a multiple of this are kept as well; 0: none", at_least(0))
      .may_change = true;
}

CheckpointWriter::CheckpointWriter(Communicator& comm, std::filesystem::path checkpoints,
                                   const CheckpointOptions& options, std::int64_t generation,
                                   std::function<void()> may_publish)
    : comm_(comm),
      checkpoints_(std::move(checkpoints)),
      options_(options),
      generation_(generation),
      may_publish_(std::move(may_publish)) {}

CheckpointWriter::~CheckpointWriter() {
  if (thread_.joinable()) thread_.join();
  if (in_the_making()) remove_staged();  // an error has ended the job
}

void CheckpointWriter::remove_staged() const {
  if (comm_.rank() != 0) return;
  std::error_code ignored;
  std::filesystem::remove_all(staging_folder(checkpoints_, manifest_.step, generation_), ignored);
}

void CheckpointWriter::begin(Manifest manifest, std::vector<StateFile> files) {
  manifest_ = std::move(manifest);
  manifest_.generation = generation_;
  phase_ = Phase::kStaging;
  in_background([this, files = std::move(files),
                 folder = staging_folder(checkpoints_, manifest_.step, generation_)] {
    if (comm_.rank() == 0) may_publish_();
    for (const StateFile& file : files) staged_.push_back(stage_file(folder, file));
  });
}

bool CheckpointWriter::busy() const {
  const std::lock_guard held(mutex_);
  return busy_;
}

std::optional<CheckpointOutcome> CheckpointWriter::advance() {
  if (phase_ == Phase::kNone) return std::nullopt;
  wait_idle();
  // What went wrong, and on which rank; the lowest speaks.
  std::string problem;
  const std::vector<std::string> problems = gather_text(comm_, problem_);
  for (std::size_t rank = 0; rank < problems.size() && problem.empty(); ++rank) {
    if (problems[rank].empty()) continue;
    problem =
        comm_.size() == 1 ? problems[rank] : fmt::format("[rank {}] {}", rank, problems[rank]);
  }
  if (!problem.empty() || phase_ == Phase::kPublishing) return end_phase(problem);
  publish();
  return std::nullopt;
}

std::optional<CheckpointOutcome> CheckpointWriter::finish() {
  std::optional<CheckpointOutcome> outcome;
  while (in_the_making()) outcome = advance();
  return outcome;
}

void CheckpointWriter::publish() {
  std::string mine;
  for (const StoredFile& file : staged_) mine += file.to_text() + "\n";
  staged_.clear();
  manifest_.files.clear();
  for (const std::string& text : gather_text(comm_, mine)) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      manifest_.files.push_back(StoredFile::from_text(line));
    }
  }
  phase_ = Phase::kPublishing;
  if (comm_.rank() != 0) return;
  in_background([this] {
    publish_checkpoint(checkpoints_, staging_folder(checkpoints_, manifest_.step, generation_),
                       manifest_, may_publish_);
    prune();
  });
}

// The checkpoint is there, whatever becomes of older ones.
void CheckpointWriter::prune() {
  try {
    prune_checkpoints(checkpoints_, options_.keep, options_.keep_every, may_publish_);
  } catch (const CheckpointError&) {
    throw;  // of may_publish_
  } catch (const Error& error) {
    log::warning("an old checkpoint stays: {}", error.what());
  }
}

CheckpointOutcome CheckpointWriter::end_phase(const std::string& problem) {
  CheckpointOutcome outcome{manifest_.step, 0, problem};
  for (const StoredFile& file : manifest_.files) outcome.bytes += file.size;
  if (!problem.empty()) remove_staged();
  staged_.clear();
  problem_.clear();
  phase_ = Phase::kNone;
  return outcome;
}

// A thread for each piece of work: there is one at a time, seldom.
void CheckpointWriter::in_background(std::function<void()> work) {
  if (thread_.joinable()) thread_.join();
  busy_ = true;
  problem_.clear();
  thread_ = std::thread([this, work = std::move(work)] {
    std::string problem;
    try {
      work();
    } catch (const std::exception& error) {
      problem = error.what();
    }
    const std::lock_guard held(mutex_);
    problem_ = problem;
    busy_ = false;
    changed_.notify_all();
  });
}

void CheckpointWriter::wait_idle() {
  std::unique_lock held(mutex_);
  changed_.wait(held, [this] { return !busy_; });
}

}  // namespace elbow
