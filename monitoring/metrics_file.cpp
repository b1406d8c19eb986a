#include "monitoring/metrics_file.h"

#include <cerrno>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/types.h>
#include <unistd.h>

#include "base/error.h"
#include "base/input_file.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const MetricsFields& fields) {
  Json object = Json::object();
  for (const auto& [key, value] : fields) {
    std::visit([&](const auto& held) { object[key] = held; }, value);
  }
  return object;
}

bool is_beyond(const std::string& line, const MetricsCut& cut) {
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object()) return true;  // not written by us: nothing after it can be trusted
  const auto step = object.find("step");
  if (step == object.end() || !step->is_number()) return false;
  const auto last = static_cast<double>(cut.last_step);
  return step->get<double>() > last ||
         (step->get<double>() == last && !cut.key.empty() && object.contains(cut.key));
}

// Bytes at the beginning of the file that are whole lines to keep.
std::int64_t bytes_to_keep(const std::filesystem::path& path,
                           const std::optional<MetricsCut>& cut) {
  std::ifstream file(path, std::ios::binary);
  std::int64_t kept = 0;
  for (std::string line; std::getline(file, line) && !file.eof();) {
    if (cut && is_beyond(line, *cut)) break;
    kept += static_cast<std::int64_t>(line.size()) + 1;
  }
  return kept;
}

}  // namespace

MetricsFile::MetricsFile(std::filesystem::path path, const std::optional<MetricsCut>& cut,
                         const AtomicWrite& write)
    : path_(std::move(path)) {
  errors_as<CheckpointError>([&] {
    if (std::filesystem::exists(path_)) InputFile{path_};  // not a pipe without an end
    make(bytes_to_keep(path_, cut), write);
  });
}

// The file is opened before it has its name, so that a job that has lost the run directory appends
// to its own for ever: never to that of the job which has it now.
void MetricsFile::make(std::int64_t bytes, const AtomicWrite& write) {
  std::ifstream old(path_, std::ios::binary);
  std::vector<char> buffer(1 << 20);
  write(path_, [&](NewFile& file) {
    for (std::int64_t left = bytes; left > 0;) {
      const auto size = std::min<std::int64_t>(left, static_cast<std::int64_t>(buffer.size()));
      if (!old.read(buffer.data(), size)) throw Error("cannot read " + path_.string());
      file.write({buffer.data(), static_cast<std::size_t>(size)});
      left -= size;
    }
    file_ = Descriptor(::open(file.path().c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (!file_.valid()) fail("open", errno);
  });
}

void MetricsFile::append(const MetricsFields& figures, const MetricsFields& time) {
  Json object = to_json(figures);
  object["time"] = to_json(time);
  const std::lock_guard held(mutex_);
  pending_ += object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  try {
    write_pending();
    failing_ = false;
  } catch (const Error&) {
    if (!std::exchange(failing_, true)) throw;
  }
}

void MetricsFile::flush() {
  {
    const std::lock_guard held(mutex_);
    write_pending();
  }
  if (::fsync(file_.get()) != 0) fail("flush", errno);
}

void MetricsFile::write_pending() {
  while (!pending_.empty()) {
    const ssize_t written = ::write(file_.get(), pending_.data(), pending_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", errno);
    pending_.erase(0, static_cast<std::size_t>(written));
  }
}

void MetricsFile::fail(const std::string& what, int error_number) const {
  throw Error(fmt::format("cannot {} {}: {}", what, path_.string(), errno_text(error_number)));
}

}  // namespace elbow
