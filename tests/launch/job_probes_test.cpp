#include <chrono>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/cli/host_probes.h"
#include "launch/cli/network_probes.h"
#include "launch/cli/storage_probes.h"
#include "tests/base/temporary_folder.h"

namespace elbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Placement on(const std::string& host, std::vector<int> cores) {
  return {host, 4, std::move(cores)};
}

TEST(HostProbes, PlacesSurviveTheirText) {
  const Placement place = Placement::from_text(on("n1.cluster", {0, 2, 3}).to_text());
  EXPECT_EQ(place.host, "n1.cluster");
  EXPECT_EQ(place.machine_cores, 4);
  EXPECT_THAT(place.cores, ElementsAre(0, 2, 3));
  EXPECT_THAT(this_place().cores, testing::Not(IsEmpty()));
}

TEST(HostProbes, Ranges) {
  EXPECT_EQ(ranges_text({0, 1, 2, 3, 6}), "0-3, 6");
  EXPECT_EQ(ranges_text({5}), "5");
  EXPECT_EQ(ranges_text({}), "");
}

TEST(HostProbes, ALineAHost) {
  const std::vector<Placement> places = {on("n1", {0}), on("n2", {0}), on("n1", {1}),
                                         on("n2", {1})};
  const std::vector<ClockOffset> clocks = {{}, {0.0012, 1e-4}, {}, {}};
  const Findings findings = host_findings(places, clocks, 1);
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_EQ(findings[0].value, "ranks 0, 2, bound to cores 0 | 1");
  EXPECT_EQ(findings[1].value, "ranks 1, 3, bound to cores 0 | 1, clock +1.2 ms (+- 100 us)");
  EXPECT_THAT(findings[0].advice, IsEmpty());
  EXPECT_THAT(findings[1].advice, IsEmpty());
  EXPECT_THAT(first_ranks(places), ElementsAre(0, 1));
}

TEST(HostProbes, RanksThatAreBoundToOneCore) {
  const Findings findings = host_findings({on("n1", {2}), on("n1", {2})}, {{}, {}}, 1);
  EXPECT_THAT(findings[0].advice,
              HasSubstr("2 ranks with 1 thread each are bound to 1 core: slow"));
  const Findings threads = host_findings({on("n1", {0}), on("n1", {1})}, {{}, {}}, 2);
  EXPECT_THAT(threads[0].advice, HasSubstr("--map-by slot:PE=2"));
  const Findings free =
      host_findings({on("n1", {0, 1, 2, 3}), on("n1", {0, 1, 2, 3})}, {{}, {}}, 1);
  EXPECT_EQ(free[0].value, "ranks 0-1, not bound, 4 cores");
  EXPECT_THAT(free[0].advice, IsEmpty());
}

TEST(HostProbes, ClocksThatDiffer) {
  const std::vector<Placement> places = {on("n1", {0}), on("n2", {0})};
  const auto advice = [&](ClockOffset offset) {
    return host_findings(places, {{}, offset}, 1)[1].advice;
  };
  EXPECT_THAT(advice({3600, 1e-4}), HasSubstr("its clock is 3600.0 s ahead of rank 0's"));
  EXPECT_THAT(advice({-2, 1e-4}), HasSubstr("behind rank 0's"));
  EXPECT_THAT(advice({2, 5}), IsEmpty());  // it may be the measurement
}

TEST(NetworkProbes, ALinkMuchSlowerThanTheOthers) {
  const Findings findings = link_findings({{"n1 - n2", 1e9}, {"n1 - n3", 1e8}, {"n2 - n3", 1.2e9}});
  EXPECT_EQ(findings[0].value, "1.0 GB/s in an all_reduce of one rank each");
  EXPECT_THAT(findings[0].advice, IsEmpty());
  EXPECT_THAT(findings[1].advice, HasSubstr("less than half of what is usual here (1.0 GB/s)"));
  EXPECT_THAT(link_findings({{"n1 - n2", 1e6}})[0].advice, IsEmpty());  // nothing to compare with
}

TEST(NetworkProbes, TransportsInTheLogOfNccl) {
  EXPECT_EQ(nccl_transports("n1:7:7 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n"
                            "n1:7:7 [0] NCCL INFO Channel 01/0 : 0[0] -> 1[1] via P2P/CUMEM\n"
                            "n1:7:7 [0] NCCL INFO Channel 00/0 : 1[0] -> 2[1] [send] via "
                            "NET/Socket/0 comm 0x1\n"
                            "n1:7:7 [0] NCCL INFO Loaded something via nothing\n"),
            "NET/Socket/0, P2P/CUMEM");
  EXPECT_EQ(nccl_transports(""), "");
}

TEST(StorageProbes, TryAFolderForReal) {
  const TemporaryFolder folder;
  for (const auto& probe : {probe_rename, probe_fsync, probe_lock, probe_file_system}) {
    const Finding finding = probe(folder.path());
    EXPECT_FALSE(finding.stops) << finding.name << ": " << finding.value;
  }
  EXPECT_THAT(probe_rename(folder.path()).value, HasSubstr("in one step"));
  EXPECT_THAT(probe_lock(folder.path()).value, HasSubstr("keeps a second job"));
}

TEST(StorageProbes, AScratchFolderGoesWithItsProbe) {
  const TemporaryFolder folder;
  {
    const ScratchFolder scratch(folder.path());
    std::ofstream(scratch.path() / "left") << "x";
    EXPECT_THAT(folder.names(), SizeIs(1));
  }
  EXPECT_THAT(folder.names(), IsEmpty());
  EXPECT_THROW(ScratchFolder("/proc/none"), std::exception);
}

TEST(StorageProbes, TheNearestFolderIsTheRunsOwnOrAbove) {
  const TemporaryFolder folder;
  EXPECT_EQ(nearest_folder(folder / "runs" / "first"), folder.path());
  EXPECT_EQ(nearest_folder(folder.path()), folder.path());
  EXPECT_EQ(nearest_folder("/nowhere/at/all"), "/");
}

TEST(StorageProbes, TheDeepestMountIsTheFileSystem) {
  constexpr char kMounts[] =
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "30 22 0:40 / /home rw shared:2 master:1 - nfs4 server:/home rw\n"
      "31 22 0:41 / /home2 rw - xfs /dev/sdb rw\n"
      "32 30 0:42 / /home/a rw - lustre mgs:/a rw\n"
      "a broken line\n";
  EXPECT_EQ(file_system_of("/home/b/runs", kMounts).type, "nfs4");
  EXPECT_EQ(file_system_of("/home/a", kMounts).type, "lustre");
  EXPECT_EQ(file_system_of("/home2/x", kMounts).type, "xfs");
  EXPECT_EQ(file_system_of("/homes", kMounts).type, "ext4");
  EXPECT_EQ(file_system_of("/home", "").type, "unknown");
}

}  // namespace
}  // namespace elbow
