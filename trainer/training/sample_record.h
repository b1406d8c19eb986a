// Which samples a rank has used, for those who want to check: a file of lines "step: index index".
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>

namespace elbow {

class SampleRecord {
 public:
  // FOLDER/GENERATION-RANK.txt, begun anew; the folder is made where there is none. Throws
  // CheckpointError naming the file.
  SampleRecord(const std::filesystem::path& folder, std::int64_t generation, int rank);

  // Samples that enter step `step` (1, 2, ...), before they do. What a process that is killed has
  // recorded stays. Throws CheckpointError when the file cannot be written.
  void add(std::int64_t step, std::span<const std::int64_t> indices);

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace elbow
