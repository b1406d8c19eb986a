// Mutants of files, each read by everything that reads such files:
//   faults_fuzz --write-seeds FOLDER
//   faults_fuzz READER FOLDER COUNT SEED SEEDFILE...
// FOLDER holds a whole run (run/). Mutant i of COUNT depends on READER, SEED and i alone, and on
// the files. What is no more than refused is well; a signal, an exception that is no Error, more
// than kMemory or kSeconds, and a change outside FOLDER are findings: named, and the mutant is kept
// as FOLDER.found/READER-i. The exit code is 1 when there were any.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <new>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "tests/faults/fuzz/mutants.h"
#include "tests/faults/fuzz/readers.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMemory = std::int64_t{2} << 30;    // address space beyond that at the start
constexpr std::int64_t kResident = std::int64_t{1} << 30;  // in memory, beyond that at the start
constexpr unsigned kSeconds = 30;                          // for a mutant

// Shared with the child that reads.
struct Progress {
  std::int64_t next = 0;
  std::int64_t accepted = 0;
  std::int64_t refused = 0;
  std::int64_t found = 0;
};

struct Job {
  Reader reader;
  fs::path folder;
  std::int64_t count;
  std::uint64_t seed;
  std::vector<std::string> originals;  // contents
};

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string mutant(const Job& job, std::int64_t i) {
  const std::string key = hash_hex(fmt::format("{} {} {}", job.reader.name, job.seed, i));
  const std::uint64_t seed = std::stoull(key.substr(0, 16), nullptr, 16);
  return mutant_of(job.originals[static_cast<std::size_t>(i) % job.originals.size()], seed);
}

void note(const Job& job, std::int64_t i, const std::string& what) {
  const fs::path kept = job.folder.string() + ".found";
  fs::create_directories(kept);
  const std::string name = fmt::format("{}-{}", job.reader.name, i);
  std::ofstream(kept / name, std::ios::binary) << mutant(job, i);
  std::fputs(fmt::format("{} (seed {}): {}\n", name, job.seed, what).c_str(), stdout);
  std::fflush(stdout);
}

std::int64_t resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

void limit_memory() {
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const auto bytes = static_cast<rlim_t>(pages * ::sysconf(_SC_PAGESIZE) + kMemory);
  const rlimit limit{bytes, bytes};
  ::setrlimit(RLIMIT_AS, &limit);
}

// What is wrong with how the mutant was read, or "".
std::string problem_of(const Job& job, Progress& progress) {
  try {
    job.reader.read();
    ++progress.accepted;
  } catch (const Error&) {
    ++progress.refused;
  } catch (const std::bad_alloc&) {
    return fmt::format("more memory than {} MiB asked for", kMemory >> 20);
  } catch (const std::exception& error) {
    return fmt::format("an exception that is no Error: {}", error.what());
  }
  return "";
}

// From the next one on, to the last.
void read_mutants(const Job& job, Progress& progress) {
  log::set_level(log::Level::kError);
  limit_memory();
  fs::current_path(job.folder);
  const fs::path place = job.reader.place;
  const std::int64_t resident = resident_bytes();
  while (progress.next < job.count) {
    const std::int64_t i = progress.next;
    fs::remove(place);
    std::ofstream(place, std::ios::binary) << mutant(job, i);
    ::alarm(kSeconds);
    std::string problem = problem_of(job, progress);
    ::alarm(0);
    const bool too_much = resident_bytes() > resident + kResident;
    if (too_much) problem += fmt::format("{} MiB in memory", (resident_bytes() - resident) >> 20);
    ++progress.next;
    if (problem.empty()) continue;
    ++progress.found;
    note(job, i, problem);
    if (too_much) return;  // the largest that ever was hides what comes
  }
}

std::string death(int status) {
  if (!WIFSIGNALED(status)) return fmt::format("the process ended with {}", WEXITSTATUS(status));
  if (WTERMSIG(status) == SIGALRM) return fmt::format("no end in {} s", kSeconds);
  return fmt::format("signal {}", WTERMSIG(status));
}

// Every name below a folder's parent, but for what is in the folder or was found.
std::string surroundings(const fs::path& folder) {
  std::string names;
  for (const auto& entry : fs::recursive_directory_iterator(fs::absolute(folder).parent_path())) {
    const std::string name = entry.path().string();
    if (name.starts_with(fs::absolute(folder).string())) continue;
    names += name + "\n";
  }
  return names;
}

int run(const Job& job) {
  auto* const progress = static_cast<Progress*>(
      ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (progress == MAP_FAILED) return 2;
  *progress = Progress{};
  const std::string before = surroundings(job.folder);
  while (progress->next < job.count) {
    std::fflush(stdout);
    const pid_t child = ::fork();
    if (child < 0) return 2;
    if (child == 0) {
      read_mutants(job, *progress);
      std::fflush(stdout);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status == 0) continue;
    ++progress->found;
    note(job, progress->next++, death(status));
  }
  if (surroundings(job.folder) != before) {
    ++progress->found;
    std::puts("something was written outside");
  }
  std::fputs(fmt::format("{}: {} mutants, {} accepted, {} refused, {} findings\n", job.reader.name,
                         job.count, progress->accepted, progress->refused, progress->found)
                 .c_str(),
             stdout);
  return progress->found == 0 ? 0 : 1;
}

Reader reader_named(const std::string& name) {
  for (const Reader& reader : all_readers()) {
    if (reader.name == name) return reader;
  }
  throw Error("there is no reader " + name);
}

int main_of(const std::vector<std::string>& arguments) {
  if (arguments.size() == 2 && arguments[0] == "--write-seeds") {
    write_seeds(arguments[1]);
    return 0;
  }
  if (arguments.size() < 5) throw Error("READER FOLDER COUNT SEED SEEDFILE...");
  Job job{reader_named(arguments[0]),
          fs::absolute(arguments[1]),
          std::stoll(arguments[2]),
          std::stoull(arguments[3]),
          {}};
  for (std::size_t i = 4; i < arguments.size(); ++i)
    job.originals.push_back(content_of(arguments[i]));
  return run(job);
}

}  // namespace
}  // namespace elbow

int main(int argc, char** argv) {
  try {
    return elbow::main_of({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fputs(fmt::format("faults_fuzz: {}\n", error.what()).c_str(), stderr);
    return 2;
  }
}
