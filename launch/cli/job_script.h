// Job scripts for Slurm, as text.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace elbow {

// What a job asks for. Empty or 0: not asked for.
struct JobRequest {
  std::string name;
  std::int64_t nodes = 1;
  std::int64_t ranks = 0;  // of a node; 0: one, or one a GPU
  std::int64_t cores = 1;  // of a rank
  std::int64_t gpus = 0;   // of a node
  std::string time;        // "11.5 h", or any form that Slurm takes
  std::string partition;
  std::string account;
  std::string qos;
  std::string memory;  // of a node, as Slurm writes it
  std::string output;
  std::vector<std::string> sbatch;  // more options of sbatch, word for word
  std::vector<std::string> before;  // lines of shell, before anything is started
  std::string launcher = "srun";    // or mpirun
  std::string notice = "2 min";     // from the signal to the time limit; bare numbers are seconds
  std::int64_t restarts = 4;        // after failures in a row without a new checkpoint
  std::int64_t at_once = 0;         // members of a sweep; 0: all
};

using Words = std::vector<std::string>;

// What a job runs.
struct JobCommand {
  Words words;                 // the program and its arguments; in a sweep, those of all members
  std::vector<Words> members;  // of a sweep: what each has beside them, its --run and path last
  bool training = false;
  std::string run;     // that is trained; unused in a sweep
  std::string origin;  // the command line that printed the script
};

// One word of shell: 'it'\''s', or the bare word where nothing needs a quote. Control characters
// are written as escapes, so that a word never takes more than a line.
std::string shell_word(const std::string& word);
std::string shell_words(const Words& words);

// The whole script. A training is told of its end in time; it goes back to the queue and goes on
// when it was stopped, and when it failed in a way that another start may mend
// (launch/restarts.sh). Any other command is simply run. Throws ConfigError.
std::string job_script(const JobRequest& request, const JobCommand& job);

}  // namespace elbow
