#include "trainer/run/lease.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/process_identity.h"
#include "base/temporary_files.h"
#include "base/text.h"
#include "trainer/run/versioned_json.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

constexpr int kLeaseFormat = 1;
constexpr std::size_t kLargestFile = 65536;
constexpr char kMark[] = "generation-";

// A file of /proc says that it has no bytes, so it is read by lines.
std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id.empty() ? this_process().host
                    : id;  // where there is no such file, a host's name must do
}

// A clock that also runs while the machine sleeps.
std::chrono::nanoseconds since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

std::vector<fs::path> files_in(const fs::path& root) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    files.push_back(it->path());
  }
  if (error) {
    throw Error(fmt::format("cannot list {}: {}", root.string(), error.message()));
  }
  return files;
}

// The generation whose mark a file is; 0 for any other file.
std::int64_t marked_generation(const fs::path& file) {
  const std::string name = file.filename().string();
  std::int64_t generation = 0;
  const bool is_mark = name.starts_with(kMark) &&
                       parse_number(name.substr(std::size(kMark) - 1), generation) &&
                       generation_path(file.parent_path(), generation) == file;
  return is_mark ? generation : 0;
}

std::int64_t newest_generation(const fs::path& root) {
  std::int64_t newest = 0;
  for (const fs::path& file : files_in(root)) newest = std::max(newest, marked_generation(file));
  return newest;
}

// The kernel on which a mark was made; "" where its maker did not come to say so.
std::string boot_of_mark(const fs::path& mark) {
  std::string id;
  std::getline(std::ifstream(mark), id);
  return id;
}

void remove_marks_before(const fs::path& root, std::int64_t generation) {
  std::error_code ignored;
  for (const fs::path& file : files_in(root)) {
    const std::int64_t marked = marked_generation(file);
    if (marked > 0 && marked < generation) fs::remove(file, ignored);
  }
}

// What trainings that were killed, or that have lost the directory, were about to rename. An
// evaluation needs no lease: its temporary file is its own affair.
void remove_temporaries(const fs::path& root) {
  std::error_code ignored;
  for (const fs::path& file : files_in(root)) {
    const std::string name = file.filename().string();
    if (is_temporary_name(name) && !name.starts_with("evaluation")) fs::remove(file, ignored);
  }
}

// A holder as text: equal for equal leases, and for those alone.
std::string holder_text(std::int64_t generation, const std::string& host, std::int64_t process) {
  return fmt::format("process {} on host {}, generation {}", process, host, generation);
}

bool is_held_by(const fs::path& root, const std::string& holder) {
  try {
    const auto record = read_lease(root);
    return record && holder_text(record->generation, record->host, record->process) == holder;
  } catch (const CheckpointError&) {
    return false;  // what it is of another job may be unreadable
  }
}

// 0, or the number of the error.
int lock_file(const Descriptor& file) {
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

// What file systems say that have no locks: Lustre without the mount option flock, NFS without a
// lock daemon, or NFS of a file that may only be read.
bool means_no_locks(int error) {
  return error == ENOSYS || error == ENOLCK || error == EOPNOTSUPP || error == EINVAL ||
         error == EBADF;
}

[[noreturn]] void refuse_as_held(const fs::path& root, const std::string& holder) {
  throw CheckpointError(fmt::format("{} is training in {}: wait for it, or choose another --run",
                                    holder, root.string()));
}

// Throws CheckpointError where another job has made it.
void make_mark(const fs::path& mark) {
  const Descriptor file(::open(mark.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file.valid() && errno == EEXIST) {
    refuse_as_held(mark.parent_path(), "another job, which was quicker,");
  }
  const std::string id = boot_id();
  if (file.valid() && ::write(file.get(), id.data(), id.size()) >= 0) return;
  const int problem = errno;
  std::error_code ignored;
  if (file.valid()) fs::remove(mark, ignored);
  throw CheckpointError(fmt::format("cannot write {}: {}", mark.string(), errno_text(problem)));
}

}  // namespace

fs::path lease_path(const fs::path& root) { return root / "lease.json"; }

fs::path lock_path(const fs::path& root) { return root / "lock"; }

fs::path generation_path(const fs::path& root, std::int64_t generation) {
  return root / fmt::format("{}{}", kMark, generation);
}

std::optional<LeaseRecord> read_lease(const fs::path& root) {
  const fs::path path = lease_path(root);
  std::error_code ignored;
  if (fs::status(path, ignored).type() == fs::file_type::not_found) return std::nullopt;
  try {
    const auto json = read_versioned_json(path, kLargestFile, kLeaseFormat);
    const StoredObject lease(json, path.string());
    return LeaseRecord{lease.whole_number("generation"),
                       lease.whole_number("renewals"),
                       lease.truth("released"),
                       lease.text("host"),
                       lease.text("boot"),
                       lease.whole_number("process")};
  } catch (const UnreadableError&) {
    throw;
  } catch (const CheckpointError& error) {
    throw CheckpointError(
        fmt::format("{}; remove it if no job is training in this directory", error.what()));
  }
}

void require_lease_of(const fs::path& root, const std::string& holder) {
  constexpr std::chrono::seconds kLongestCached{60};  // of NFS, by default
  constexpr std::chrono::milliseconds kPause{200};
  const bool same_host =
      holder.find(fmt::format(" on host {},", this_process().host)) != std::string::npos;
  const auto until = std::chrono::steady_clock::now() + (same_host ? kPause : kLongestCached);
  while (!is_held_by(root, holder)) {
    if (std::chrono::steady_clock::now() >= until) {
      throw CheckpointError(fmt::format(
          "the directory {} is not the run directory that rank 0 has opened ({}): give every rank "
          "the same --run, in a place that all hosts share",
          root.string(), holder));
    }
    std::this_thread::sleep_for(kPause);
  }
}

// The umask decides who else may take the run over. A file that another member of a group has made
// for itself alone can still be locked by who may read it.
Lease::Lock::Lock(const fs::path& root)
    : file_(::open(lock_path(root).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (!file_.valid() && errno == EACCES) {
    file_ = Descriptor(::open(lock_path(root).c_str(), O_RDONLY | O_CLOEXEC));
  }
  if (!file_.valid()) {
    throw CheckpointError(fmt::format("cannot write in {}: {}", root.string(), errno_text(errno)));
  }
  const int problem = lock_file(file_);
  if (problem == 0) return;
  if (problem == EWOULDBLOCK) refuse_as_held(root, "another process");
  if (!means_no_locks(problem)) {
    throw CheckpointError(
        fmt::format("cannot lock {}: {}", lock_path(root).string(), errno_text(problem)));
  }
  held_ = false;
  log::warning(
      "{} cannot be locked ({}): the lease alone keeps other jobs out, so a start after a crash "
      "waits to see whether the job before it lives",
      lock_path(root).string(), errno_text(problem));
}

Lease::Lease(const fs::path& root, LeaseTimes times) : root_(root), times_(times), lock_(root) {
  const LeaseRecord before = read_lease(root_).value_or(LeaseRecord{});
  generation_ = std::max(before.generation, newest_generation(root_)) + 1;
  if (may_live(before)) wait_for(before);
  take();
  thread_ = std::thread([this] { renew(); });
}

Lease::~Lease() {
  {
    const std::lock_guard held(mutex_);
    end_ = true;
    ending_.notify_all();
  }
  thread_.join();
  try {
    const std::lock_guard held(mutex_);
    store(true);
  } catch (const Error& error) {
    log::warning("{}", error.what());
  }
}

std::string Lease::holder() const {
  return holder_text(generation_, this_process().host, ::getpid());
}

// A holder on this kernel would have held the lock. One may have left its mark, and no record yet.
bool Lease::may_live(const LeaseRecord& holder) const {
  const std::int64_t last = generation_ - 1;
  const bool left_a_record = holder.generation == last;
  if (left_a_record && holder.released) return false;
  const std::string boot = left_a_record ? holder.boot : boot_of_mark(generation_path(root_, last));
  return !(lock_.held() && boot == boot_id());
}

void Lease::wait_for(const LeaseRecord& holder) const {
  log::warning(
      "{} was last held by process {} on host {}, which did not give it back: waiting {} s to see "
      "whether it lives",
      root_.string(), holder.process, holder.host,
      std::chrono::duration<double>(times_.life).count());
  const auto until = std::chrono::steady_clock::now() + times_.life;
  while (std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(times_.life / 20);
    const LeaseRecord now = read_lease(root_).value_or(LeaseRecord{});
    if (now.released && now.generation + 1 == generation_) return;
    if (now.generation != holder.generation || now.renewals != holder.renewals) {
      refuse_as_held(root_, fmt::format("process {} on host {}", now.process, now.host));
    }
  }
  log::warning("it does not: taking the directory over, as generation {}", generation_);
}

// The order matters: see above.
void Lease::take() {
  make_mark(generation_path(root_, generation_));
  remove_temporaries(root_);
  store(false);
  remove_marks_before(root_, generation_);
}

void Lease::require_held() {
  const std::lock_guard held(mutex_);
  if (is_stale()) store(false);
  refuse_lost();
}

void Lease::require_not_lost() {
  const std::lock_guard held(mutex_);
  refuse_lost();
}

void Lease::write(const fs::path& path, const std::function<void(NewFile&)>& content) {
  const fs::path temporary = make_temporary(path, content);
  const std::lock_guard held(mutex_);
  publish(temporary, path, is_stale());
}

fs::path Lease::make_temporary(const fs::path& path,
                               const std::function<void(NewFile&)>& content) const {
  fs::path temporary = temporary_name(path);
  NewFile file(temporary, path);
  content(file);
  file.finish();
  return temporary;
}

bool Lease::is_stale() const { return since_boot() - renewed_ > times_.life; }

void Lease::refuse_lost() {
  if (!lost_.empty()) throw CheckpointError(lost_);
  const LeaseRecord now = read_lease(root_).value_or(LeaseRecord{});
  const std::int64_t newest = std::max(now.generation, newest_generation(root_));
  const bool began = renewed_.count() > 0;  // before that, there is no record of it
  if (newest == generation_ && (now.generation > 0 || !began)) return;
  if (newest <= generation_) {
    lost_ = fmt::format("{} has disappeared: who has the run directory cannot be told any more",
                        lease_path(root_).string());
  } else {
    lost_ = fmt::format(
        "{} has taken {} over (generation {}, this job's is {}): this job must not write there any "
        "more",
        now.generation == newest ? fmt::format("process {} on host {}", now.process, now.host)
                                 : "another job",
        root_.string(), newest, generation_);
  }
  throw CheckpointError(lost_);
}

// Looks last, then renames. What cannot be renamed may have been removed by a new holder.
void Lease::publish(const fs::path& temporary, const fs::path& path, bool renew_first) {
  try {
    if (renew_first) store(false);
    refuse_lost();
    publish_file(temporary, path);
  } catch (const Error&) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    refuse_lost();
    throw;
  }
}

void Lease::store(bool released) {
  const nlohmann::ordered_json json = {
      {"format_version", kLeaseFormat}, {"generation", generation_},   {"renewals", renewals_++},
      {"released", released},           {"host", this_process().host}, {"boot", boot_id()},
      {"process", ::getpid()}};
  const auto now = since_boot();
  const fs::path path = lease_path(root_);
  publish(make_temporary(path, [&](NewFile& file) { file.write(json.dump() + "\n"); }), path,
          /*renew_first=*/false);
  renewed_ = now;
}

void Lease::renew() {
  std::unique_lock held(mutex_);
  while (!ending_.wait_for(held, times_.renewal, [this] { return end_; })) {
    try {
      store(false);
    } catch (const std::exception& error) {
      if (!lost_.empty()) return log::error("{}", error.what());
      log::warning("the lease could not be renewed: {}", error.what());
    }
  }
}

}  // namespace elbow
