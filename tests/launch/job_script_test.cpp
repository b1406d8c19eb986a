#include "launch/cli/job_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace elbow {
namespace {

using testing::HasSubstr;
using testing::Not;

// The script of a training with these times; "" for none.
std::string script(const std::string& time, const std::string& notice) {
  JobRequest request;
  request.time = time;
  if (!notice.empty()) request.notice = notice;
  return job_script(request, {{"elbow", "train"}, {}, true, "runs/first", "elbow slurm"});
}

// Each was given to sbatch of Slurm 22.05 and taken.
TEST(JobScript, TimesOfSlurmStayAsTheyAre) {
  for (const std::string time :
       {"99", "0", "10", "99:30", "1:30:00", "99:99", "1-", "1-0", "1-12", "1-12:30", "1-12:30:15",
        "0-99:00", "100000000", "-1", "infinite", "UNLIMITED", "Infinite"}) {
    EXPECT_THAT(script(time, ""), HasSubstr("\n#SBATCH --time=" + time + "\n"));
  }
}

TEST(JobScript, OtherTimesAreWrittenAsSlurmTakesThem) {
  EXPECT_THAT(script("11.5 h", ""), HasSubstr("--time=0-11:30:00\n"));
  EXPECT_THAT(script("90min", ""), HasSubstr("--time=0-01:30:00\n"));
  EXPECT_THAT(script("36 h", ""), HasSubstr("--time=1-12:00:00\n"));
  EXPECT_THAT(script("", ""), Not(HasSubstr("--time")));
}

// Each was given to sbatch and refused.
TEST(JobScript, WhatIsNoTimeIsRefused) {
  for (const std::string time : {"1:2:3:4", "1-1:1:1:1", "5m", "1.5", "1-:30", ":30",
                                 "30:", "1:30:", "1-2-3", "-5", "never", "3 epochs", "soon"}) {
    EXPECT_THROW(script(time, ""), ConfigError) << time;
  }
}

TEST(JobScript, NoticeIsATimeWithinTheLimit) {
  EXPECT_THAT(script("", ""), HasSubstr("#SBATCH --signal=B:USR1@120\n"));
  EXPECT_THAT(script("1-0", "90"), HasSubstr("#SBATCH --signal=B:USR1@90\n"));
  EXPECT_THAT(script("1-0", "18 h"), HasSubstr("#SBATCH --signal=B:USR1@64800\n"));
  EXPECT_THAT(script("4", "2 min"), HasSubstr("#SBATCH --signal=B:USR1@120\n"));
  EXPECT_THAT(script("0", "2 min"), HasSubstr("#SBATCH --signal=B:USR1@120\n"));
  // The last three leave no time to train.
  for (const auto& [time, notice] :
       std::vector<std::pair<std::string, std::string>>{{"", "19 h"},
                                                        {"", "0"},
                                                        {"", "0.2 s"},
                                                        {"3", "2 min"},
                                                        {"1:30:00", "90 min"},
                                                        {"1 h", "2 h"}}) {
    EXPECT_THROW(script(time, notice), ConfigError) << time << ", " << notice;
  }
}

}  // namespace
}  // namespace elbow
