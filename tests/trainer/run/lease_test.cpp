#include "trainer/run/lease.h"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "tests/base/temporary_folder.h"

// What this program's calls of the system meet: a file system without locks, and another host that
// acts just before a rename.
namespace {
int lock_error = 0;
std::mutex mutex;
std::function<void()> next_rename_waits_for;

void before_next_rename(std::function<void()> act) {
  const std::lock_guard held(mutex);
  next_rename_waits_for = std::move(act);
}
}  // namespace

extern "C" int flock(int file, int operation) noexcept {
  if (lock_error == 0) return static_cast<int>(::syscall(SYS_flock, file, operation));
  errno = lock_error;
  return -1;
}

extern "C" int rename(const char* from, const char* to) noexcept {
  std::function<void()> act;
  {
    const std::lock_guard held(mutex);
    act = std::exchange(next_rename_waits_for, nullptr);
  }
  if (act) act();
  return ::renameat(AT_FDCWD, from, AT_FDCWD, to);
}

namespace elbow {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class Leases : public testing::Test {
 protected:
  // A lease as a job on another host would leave it.
  void write_foreign(std::int64_t generation, std::int64_t renewals, bool released) {
    const nlohmann::ordered_json json = {{"format_version", 1},  {"generation", generation},
                                         {"renewals", renewals}, {"released", released},
                                         {"host", "node7"},      {"boot", "another kernel"},
                                         {"process", 4711}};
    write_file_atomically(path_, json.dump());
  }
  // What a job on another host does that takes the directory over.
  void take_over(std::int64_t generation) {
    std::ofstream(generation_path(folder_.path(), generation));
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.path().string().find(".tmp-") != std::string::npos) {
        std::filesystem::remove(entry.path());
      }
    }
    write_foreign(generation, 0, false);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      found.push_back(entry.path().filename());
    }
    return found;
  }
  std::string problem(const LeaseTimes& times = {200ms, 50ms}) {
    try {
      Lease lease(folder_.path(), times);
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "lease.json";
};

TEST_F(Leases, RaiseTheGenerationAtEveryStart) {
  for (const std::int64_t generation : {1, 2, 3}) {
    Lease lease(folder_.path());
    EXPECT_EQ(lease.generation(), generation);
    EXPECT_NO_THROW(lease.require_held());
  }
}

// As where a network file system does not answer for a while.
TEST_F(Leases, AreRenewedAgainOnceTheyCanBeRead) {
  const Lease lease(folder_.path(), {10min, 20ms});
  const std::string record = read_file(path_, 1 << 16);
  // Not under the temporary name of this process, which the lease itself may be using.
  const auto replace = [&](const std::string& text) {
    write_file_atomically(folder_ / "draft", text);
    std::filesystem::rename(folder_ / "draft", path_);
  };
  replace("{");
  std::this_thread::sleep_for(200ms);
  replace(record);
  const auto renewals = read_lease(folder_.path())->renewals;
  const auto until = std::chrono::steady_clock::now() + 10s;
  while (read_lease(folder_.path())->renewals == renewals) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << "nobody renews it any more";
    std::this_thread::sleep_for(20ms);
  }
}

TEST_F(Leases, NameTheKernelThatTheyAreHeldOn) {
  const Lease lease(folder_.path());
  const auto json = nlohmann::json::parse(std::ifstream(path_));
  EXPECT_EQ(json.at("boot").get<std::string>().size(), 36U);  // a UUID
}

TEST_F(Leases, RefuseASecondJobOfThisHostAtOnce) {
  const Lease first(folder_.path());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(problem({10min, 1min}), HasSubstr("another process is training in"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(Leases, OfAJobThatDiedOnThisHostAreTakenOverAtOnce) {
  const pid_t child = ::fork();
  if (child == 0) {
    new Lease(folder_.path());
    ::_exit(0);  // without giving it back
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  const Lease lease(folder_.path(), {10min, 1min});
  EXPECT_EQ(lease.generation(), 2);
}

TEST_F(Leases, OfAnotherHostAreRefusedWhileTheyAreRenewed) {
  write_foreign(5, 10, false);
  std::thread other([&] {
    std::this_thread::sleep_for(100ms);
    write_foreign(5, 11, false);
  });
  EXPECT_THAT(problem({2s, 1s}), HasSubstr("process 4711 on host node7 is training in"));
  other.join();
}

TEST_F(Leases, OfAnotherHostAreTakenOverWhenStale) {
  write_foreign(5, 10, false);
  const Lease lease(folder_.path(), {200ms, 50ms});
  EXPECT_EQ(lease.generation(), 6);
}

TEST_F(Leases, GivenBackByAnotherHostAreTakenAtOnce) {
  write_foreign(5, 10, true);
  const Lease lease(folder_.path(), {10min, 1min});
  EXPECT_EQ(lease.generation(), 6);
}

TEST_F(Leases, ThatWereTakenOverSaySo) {
  Lease lease(folder_.path(), {10s, 20ms});
  write_foreign(9, 0, false);
  try {
    lease.require_held();
    FAIL() << "nothing was thrown";
  } catch (const CheckpointError& error) {
    EXPECT_THAT(error.what(), HasSubstr("process 4711 on host node7 has taken"));
  }
  // Neither renewal nor the end write over the new holder's.
  std::this_thread::sleep_for(100ms);
  EXPECT_THAT(read_file(path_, 65536), HasSubstr("node7"));
}

TEST_F(Leases, ThatHaveDisappearedSaySo) {
  Lease lease(folder_.path());
  std::filesystem::remove(path_);
  EXPECT_THROW(lease.require_held(), CheckpointError);
}

TEST_F(Leases, AreRenewed) {
  const Lease lease(folder_.path(), {10s, 10ms});
  const std::string before = read_file(path_, 65536);
  for (int i = 0; i < 200 && read_file(path_, 65536) == before; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_NE(read_file(path_, 65536), before);
}

// As a job that an NFS stall, or a signal, suspends at the worst moments, and that wakes after
// another one has taken over.
TEST_F(Leases, OfALowerGenerationNeverWin) {
  const auto path = folder_ / "run.json";
  for (const bool before_the_look : {true, false}) {
    Lease lease(folder_.path(), {10min, 10min});
    const std::int64_t next = lease.generation() + 1;
    if (!before_the_look) before_next_rename([&] { take_over(next); });
    EXPECT_THROW(lease.write(path,
                             [&](NewFile& file) {
                               file.write("stale");
                               if (before_the_look) take_over(next);
                             }),
                 CheckpointError);
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_EQ(read_lease(folder_.path())->generation, next);
    EXPECT_THROW(lease.require_not_lost(), CheckpointError);
    write_foreign(next, 0, true);
  }
}

TEST_F(Leases, AreNotRenewedOverThatOfANewHolder) {
  const Lease lease(folder_.path(), {10s, 20ms});
  before_next_rename([&] { take_over(2); });  // of a renewal
  while (read_lease(folder_.path())->generation < 2) std::this_thread::sleep_for(10ms);
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(read_lease(folder_.path())->host, "node7");
}

TEST_F(Leases, ThatWereSilentForALifeAreRenewedBeforeAnythingIsWritten) {
  Lease lease(folder_.path(), {50ms, 10min});
  const std::int64_t renewals = read_lease(folder_.path())->renewals;
  std::this_thread::sleep_for(80ms);
  lease.write(folder_ / "run.json", [](NewFile& file) { file.write("{}"); });
  EXPECT_EQ(read_lease(folder_.path())->renewals, renewals + 1);
  EXPECT_EQ(read_file(folder_ / "run.json", 100), "{}");
}

TEST_F(Leases, KeepTheMarkOfTheNewestGenerationAlone) {
  for (int i = 0; i < 3; ++i) const Lease lease(folder_.path());
  EXPECT_THAT(names(), testing::UnorderedElementsAre("lock", "lease.json", "generation-3"));
}

// Whoever made it left no record: nobody knows where it is.
TEST_F(Leases, WaitForTheMakerOfAMarkWithoutARecord) {
  write_foreign(5, 10, true);
  std::ofstream(generation_path(folder_.path(), 6));
  const auto begin = std::chrono::steady_clock::now();
  const Lease lease(folder_.path(), {200ms, 50ms});
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 200ms);
  EXPECT_EQ(lease.generation(), 7);
}

TEST_F(Leases, AloneKeepOthersOutWhereThereAreNoLocks) {
  for (const int error : {ENOSYS, ENOLCK, EOPNOTSUPP}) {
    lock_error = error;
    {
      const Lease first(folder_.path(), {10s, 20ms});
      EXPECT_THAT(problem({2s, 1s}), HasSubstr("is training in")) << error;
    }
    EXPECT_EQ(problem({10min, 1min}), "") << "given back, and still waited for";
  }
  lock_error = EIO;
  EXPECT_THAT(problem(), HasSubstr("cannot lock"));
  lock_error = 0;
}

TEST_F(Leases, MayBeTakenOverByAGroup) {
  const mode_t before = ::umask(002);
  { const Lease lease(folder_.path()); }
  ::umask(before);
  for (const std::string& name : names()) {
    const auto permissions = std::filesystem::status(folder_ / name).permissions();
    EXPECT_NE(permissions & std::filesystem::perms::group_write, std::filesystem::perms::none)
        << name;
  }
}

TEST_F(Leases, DamagedAreRefused) {
  std::ofstream(path_) << "{\"format_version\": 1, \"generation\": \"x\"}";
  EXPECT_THAT(problem(), HasSubstr("lease.json is damaged"));
}

}  // namespace
}  // namespace elbow
