#include "base/log.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <mutex>

#include <nlohmann/json.hpp>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "base/error.h"
#include "base/print.h"

namespace elbow::log {
namespace {

// One process has one stderr, so the log is the process's too.
struct State {
  std::atomic<int> rank = 0;
  std::atomic<int> world_size = 1;
  std::atomic<bool> progress_shown = false;
};

State& state() {
  static State the_state;
  return the_state;
}

const char* prefix(spdlog::level::level_enum level) {
  if (level == spdlog::level::warn) return "warning: ";
  if (level == spdlog::level::err) return "error: ";
  return "";
}

class TerminalSink : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const State& current = state();
    std::string line;
    if (current.progress_shown) line += "\r\x1b[K";
    if (current.world_size > 1 && message.level >= spdlog::level::warn) {
      line += fmt::format("[rank {}] ", current.rank.load());
    }
    line += prefix(message.level);
    line.append(message.payload.data(), message.payload.size());
    line += '\n';
    std::fputs(line.c_str(), stderr);
  }
  void flush_() override { std::fflush(stderr); }
};

// A line that a killed job left unfinished must not take the first of this one with it.
void end_torn_line(const std::filesystem::path& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  if (file.seekg(-1, std::ios::end) && file.get() != '\n') file.seekp(0, std::ios::end).put('\n');
}

// {"time": "2026-01-31T12:00:00.123Z", "level": "info", "rank": 0, "message": "..."}
class JsonSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit JsonSink(const std::filesystem::path& path) : file_(path.string()) {  // appends
    end_torn_line(path);
    file_.set_pattern("%v");
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const auto since = message.time.time_since_epoch();
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
    const std::time_t seconds = milliseconds / 1000;
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char stamp[32];
    std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    const auto name = spdlog::level::to_string_view(message.level);
    const nlohmann::ordered_json line = {
        {"time", fmt::format("{}.{:03}Z", stamp, milliseconds % 1000)},
        {"level", std::string(name.data(), name.size())},
        {"rank", state().rank.load()},
        {"message", std::string(message.payload.data(), message.payload.size())}};
    const std::string text =
        line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    file_.log({"", message.level, text});
    file_.flush();
  }
  void flush_() override { file_.flush(); }

 private:
  spdlog::sinks::basic_file_sink_st file_;
};

const std::shared_ptr<TerminalSink>& terminal() {
  static const auto the_terminal = std::make_shared<TerminalSink>();
  return the_terminal;
}

// A logger's own list of sinks must not change while threads write; a dist_sink's may.
const std::shared_ptr<spdlog::sinks::dist_sink_mt>& files() {
  static const auto the_files = std::make_shared<spdlog::sinks::dist_sink_mt>();
  return the_files;
}

// A log that cannot be written (a full disk) is said once, and stops nothing.
void complain(const std::string& problem) {
  static std::atomic<bool> said = false;
  if (!said.exchange(true)) {
    const std::string line = fmt::format("warning: cannot write the log: {}\n", problem);
    std::fputs(printable(line).c_str(), stderr);
  }
}

spdlog::logger make_logger(const spdlog::sinks_init_list& sinks) {
  spdlog::logger made("elbow", sinks);
  made.set_error_handler(complain);
  return made;
}

spdlog::logger& logger() {
  static spdlog::logger the_logger = make_logger({terminal(), files()});
  return the_logger;
}

// For what is shown by other means.
spdlog::logger& file_logger() {
  static spdlog::logger the_logger = make_logger({files()});
  return the_logger;
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void set_rank(int rank, int world_size) {
  state().rank = rank;
  state().world_size = world_size;
  if (rank != 0) set_level(Level::kWarning);
}

void set_level(Level level) {
  terminal()->set_level(spdlog_level(level));
  logger().set_level(std::min(spdlog_level(level), spdlog::level::info));
}

void open_file(const std::filesystem::path& path) {
  try {
    files()->add_sink(std::make_shared<JsonSink>(path));
  } catch (const spdlog::spdlog_ex& error) {
    throw CheckpointError(fmt::format("cannot open the log: {}", error.what()));
  }
}

void set_progress_shown(bool shown) { state().progress_shown = shown; }

void write(Level level, const std::string& message) {
  logger().log(spdlog_level(level), printable(message));
  logger().flush();
}

void result(const std::string& message) {
  print(message + "\n");
  file_logger().info("{}", printable(message));
}

}  // namespace elbow::log
