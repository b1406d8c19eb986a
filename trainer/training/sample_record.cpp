#include "trainer/training/sample_record.h"

#include <cerrno>

#include "base/error.h"

namespace elbow {

SampleRecord::SampleRecord(const std::filesystem::path& folder, std::int64_t generation, int rank)
    : path_(folder / fmt::format("{:04}-{:04}.txt", generation, rank)) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  file_.open(path_, std::ios::trunc);
  if (!file_) {
    throw CheckpointError(fmt::format("cannot write {}: {}", path_.string(), errno_text(errno)));
  }
}

void SampleRecord::add(std::int64_t step, std::span<const std::int64_t> indices) {
  file_ << step << ':';
  for (const std::int64_t index : indices) file_ << ' ' << index;
  file_ << '\n' << std::flush;
  if (!file_) {
    throw CheckpointError(fmt::format("cannot write {}: {}", path_.string(), errno_text(errno)));
  }
}

}  // namespace elbow
