#include "base/temporary_files.h"

#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/process_identity.h"
#include "base/text.h"

namespace elbow {
namespace {

constexpr std::string_view kMark = ".tmp-";

// Machine and container, of which the numbers of processes are, in few letters.
std::string place_of(const ProcessIdentity& process) {
  constexpr std::size_t kDigits = 8;
  return hash_hex(process.host + '\n' + process.pid_namespace).substr(0, kDigits);
}

// Who made a file that has this behind the mark, when it was made where `self` runs.
std::optional<ProcessIdentity> maker_of(const std::string& text, const ProcessIdentity& self) {
  const auto parts = split(text, '-');
  ProcessIdentity maker = self;
  if (parts.size() != 3 || !parse_number(parts[0], maker.pid)) return std::nullopt;
  maker.started = parts[1];
  if (parts[2] != place_of(self)) return std::nullopt;
  return maker;
}

}  // namespace

std::string temporary_ending() {
  const ProcessIdentity self = this_process();
  return fmt::format("{}{}-{}-{}", kMark, self.pid, self.started, place_of(self));
}

bool is_temporary_name(std::string_view name) {
  const auto mark = name.rfind(kMark);
  if (mark == std::string_view::npos) return false;
  const std::string_view maker = name.substr(mark + kMark.size());
  return !maker.empty() && maker.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

void remove_abandoned(const std::filesystem::path& path) {
  const ProcessIdentity self = this_process();
  const std::string begin = path.filename().string() + std::string(kMark);
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  std::vector<std::filesystem::path> abandoned;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(begin)) continue;
    const auto maker = maker_of(name.substr(begin.size()), self);
    if (maker && is_gone(*maker)) abandoned.push_back(it->path());
  }
  for (const auto& file : abandoned) std::filesystem::remove(file, error);
}

}  // namespace elbow
