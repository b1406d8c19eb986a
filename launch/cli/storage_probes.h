// What 'elbow doctor' tries in the folder that a run is to be written to: what checkpoints and the
// lease rely on.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "launch/cli/host_probes.h"
#include "launch/cli/probes.h"
#include "trainer/comm/communicator.h"

namespace elbow {

// A folder of the probe's own, in which it tries things; removed with it.
class ScratchFolder {
 public:
  explicit ScratchFolder(const std::filesystem::path& parent);  // throws Error naming it
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The folder itself, or the nearest one above it that is there.
std::filesystem::path nearest_folder(const std::filesystem::path& path);

// A file system as the kernel names it: {"ext4", "/home"}. `mounts` is /proc/self/mountinfo.
struct MountedAt {
  std::string type;
  std::string point;
};
MountedAt file_system_of(const std::filesystem::path& folder, const std::string& mounts);

Finding probe_file_system(const std::filesystem::path& folder);  // its type, and free space
Finding probe_rename(const std::filesystem::path& folder);       // whether readers see old or new
Finding probe_fsync(const std::filesystem::path& folder);
Finding probe_lock(const std::filesystem::path& folder);  // whether it keeps another one out

// Collective; the findings are rank 0's. `run` may not be there yet.
Findings probe_storage(Communicator& comm, const std::vector<Placement>& places,
                       const std::filesystem::path& run);

}  // namespace elbow
