// Who may write in a run directory: one job at a time, also on file systems where locks of another
// host are not seen, or where there are none.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/atomic_file.h"
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

// Where the record and the lock of a run directory lie, and the mark that a generation leaves,
// which holds the kernel's boot id.
std::filesystem::path lease_path(const std::filesystem::path& root);
std::filesystem::path lock_path(const std::filesystem::path& root);
std::filesystem::path generation_path(const std::filesystem::path& root, std::int64_t generation);

// Nothing where no job has held the directory. Throws CheckpointError naming the file.
std::optional<LeaseRecord> read_lease(const std::filesystem::path& root);

// For a process that works for the holder, as `holder` from Lease::holder(): throws CheckpointError
// unless `root`, as this process sees it, is the directory that is held. On another host than the
// holder's a network file system may show it only after a while, which is waited for.
void require_lease_of(const std::filesystem::path& root, const std::string& holder);

// Held for its lifetime, renewed by a thread of its own.
//
// A job of this host (this boot of this kernel) that lives is known by a lock and refused at once.
// Whether a job of another host still runs, or any where the file system has no locks, is told by
// waiting for it to renew its lease: only clocks that measure spans are used, so a clock that is
// set makes no difference.
//
// A job that takes a directory over first leaves the mark of the next generation, which only one
// job can make; then it removes all temporary files; only then does it read or write anything.
// write() makes a temporary file, looks for marks of a higher generation, and renames. So whenever
// a job is suspended, and for however long: where it looked before the mark was made, either its
// rename came before everything that the new holder does, or there is nothing left to rename.
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

  // Throws CheckpointError when another job has taken the directory over, from then on for ever. A
  // holder that has not renewed its lease for as long as it lives may be taken for dead at any
  // moment: it renews it first, and where it cannot, Error says why. Any thread may ask.
  void require_held();
  // The first half of it: what a job that goes on without writing needs to know.
  void require_not_lost();

  // As write_atomically(), while the lease is held; throws as require_held() does. Any thread.
  void write(const std::filesystem::path& path, const std::function<void(NewFile&)>& content);

 private:
  // An open file with an advisory lock, given back with it.
  class Lock {
   public:
    explicit Lock(const std::filesystem::path& root);
    bool held() const { return held_; }  // false where the file system has no locks

   private:
    Descriptor file_;
    bool held_ = true;
  };

  bool may_live(const LeaseRecord& holder) const;
  void wait_for(const LeaseRecord& holder) const;
  void take();
  std::filesystem::path make_temporary(const std::filesystem::path& path,
                                       const std::function<void(NewFile&)>& content) const;
  void renew();  // the thread
  // These four with mutex_ held.
  bool is_stale() const;  // not renewed for as long as a lease lives
  void refuse_lost();
  void publish(const std::filesystem::path& temporary, const std::filesystem::path& path,
               bool renew_first);
  void store(bool released);

  std::filesystem::path root_;
  LeaseTimes times_;
  Lock lock_;
  std::int64_t generation_ = 1;

  std::mutex mutex_;
  std::int64_t renewals_ = 0;
  std::chrono::nanoseconds renewed_{0};  // since boot
  std::string lost_;                     // to whom; "" while it is held
  std::condition_variable ending_;
  bool end_ = false;
  std::thread thread_;
};

}  // namespace elbow
