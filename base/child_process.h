// Work that may do harm to the process that does it, done in a child process.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace elbow {

struct ChildLimits {
  std::int64_t memory = std::int64_t{1} << 30;  // bytes, beyond what this process has mapped
  int seconds = 60;                             // of processor time; ten times that by the clock
};

// How the work ended. Both texts are empty where it came to its end.
struct ChildEnd {
  std::string error;  // what() of the exception that it threw
  std::string death;  // "crashed (Segmentation fault)", "needed more than 1.0 GiB of memory"
};

// Does `work` in a copy of this process (fork), of which nothing stays but the answer: what it
// changes in memory is lost, what it prints and logs is not seen, and it must not write files. A
// library that crashes on a damaged file, never returns or takes all memory does so there.
//
// The copy has one thread. `work` must use nothing that another thread may hold at that moment:
// the caller holds the locks of what it uses. MPI, CUDA and LibTorch's threads are of no use in it,
// and are left alone. Where no process can be made, the work is not done, and counts as ended.
ChildEnd run_in_child(const std::function<void()>& work, const ChildLimits& limits = {});

}  // namespace elbow
