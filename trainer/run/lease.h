// Who may write in a run directory: one job at a time, also on file systems where locks of another
// host are not seen.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/descriptor.h"

namespace elbow {

// How long a lease lives without being renewed, and how often its holder renews it.
struct LeaseTimes {
  std::chrono::milliseconds life{20000};
  std::chrono::milliseconds renewal{5000};
};

// What the directory says of the job that holds it, or held it last.
struct LeaseRecord {
  std::int64_t generation = 0;
  std::int64_t renewals = 0;
  bool released = true;
  std::string host;
  std::string boot;  // of the kernel on which it runs
  std::int64_t process = 0;
};

// Where the record and the lock of a run directory lie.
std::filesystem::path lease_path(const std::filesystem::path& root);
std::filesystem::path lock_path(const std::filesystem::path& root);

// Nothing where no job has held the directory. Throws CheckpointError naming the file.
std::optional<LeaseRecord> read_lease(const std::filesystem::path& root);

// For a process that works for the holder, as `holder` from Lease::holder(): throws CheckpointError
// unless `root`, as this process sees it, is the directory that is held. On another host than the
// holder's a network file system may show it only after a while, which is waited for.
void require_lease_of(const std::filesystem::path& root, const std::string& holder);

// Held for its lifetime, renewed by a thread of its own. Every job that takes a directory over
// raises its generation, so that one left over from before finds out that it has lost it.
//
// A job of this host (this boot of this kernel) that lives is known by a lock and refused at once.
// Of a job of another host it is waited for whether it renews its lease: only clocks that measure
// spans are used, so a clock that is set makes no difference.
class Lease {
 public:
  // Throws CheckpointError when another job holds the directory, naming it.
  explicit Lease(const std::filesystem::path& root, LeaseTimes times = {});
  ~Lease();  // gives it back
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  std::int64_t generation() const { return generation_; }
  // Who holds it: a text for require_lease_of().
  std::string holder() const;
  // Throws CheckpointError when another job has taken the directory over. Any thread may ask.
  void require_held() const;

 private:
  // An open file with an advisory lock, given back with it.
  class Lock {
   public:
    explicit Lock(const std::filesystem::path& root);

   private:
    Descriptor file_;
  };

  void wait_for_other_host() const;
  void store(bool released);
  void renew();

  std::filesystem::path root_;
  LeaseTimes times_;
  Lock lock_;
  std::int64_t generation_ = 1;
  std::int64_t renewals_ = 0;

  std::mutex mutex_;
  std::condition_variable ending_;
  bool end_ = false;
  std::thread thread_;
};

}  // namespace elbow
