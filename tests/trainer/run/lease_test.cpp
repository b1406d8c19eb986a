#include "trainer/run/lease.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "tests/base/temporary_folder.h"

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
    const Lease lease(folder_.path());
    EXPECT_EQ(lease.generation(), generation);
    EXPECT_NO_THROW(lease.require_held());
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
  const Lease lease(folder_.path(), {10s, 20ms});
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
  const Lease lease(folder_.path());
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

TEST_F(Leases, DamagedAreRefused) {
  std::ofstream(path_) << "{\"format_version\": 1, \"generation\": \"x\"}";
  EXPECT_THAT(problem(), HasSubstr("lease.json is damaged"));
}

}  // namespace
}  // namespace elbow
