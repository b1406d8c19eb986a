#include "data/cars3d_source.h"

#include <algorithm>
#include <cctype>
#include <set>
#include <string_view>
#include <unordered_map>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/input_file.h"
#include "base/text.h"

namespace elbow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestList = 1 << 20;
constexpr std::size_t kLargestFile = 128 << 20;
constexpr std::size_t kLongestName = 200;
constexpr std::size_t kReadBytes = 256 << 10;

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
         });
}

// --- a folder -----------------------------------------------------------------------------------

std::string read_whole(const fs::path& path, std::size_t limit) {
  return errors_as<DataError>([&] { return read_file(path, limit); });
}

class Folder : public Cars3dSource {
 public:
  explicit Folder(const fs::path& path) {
    for (const char* below : {"", "cars", "data/cars"}) {
      folder_ = *below == '\0' ? path : path / below;
      std::error_code ignored;
      if (!fs::exists(folder_ / "list.txt", ignored)) continue;
      const fs::path list = folder_ / "list.txt";
      models_ = parse_car_list(read_whole(list, kLargestList), list.string());
      return;
    }
    throw DataError(fmt::format(
        "{} has no list.txt (nor cars/list.txt, nor data/cars/list.txt), which names the models of "
        "Cars3D and fixes their order",
        path.string()));
  }

  void for_each(const Visit& visit) const override {
    for (std::size_t i = 0; i < models_.size(); ++i) {
      const fs::path file = folder_ / (models_[i] + ".mat");
      const std::string bytes = read_whole(file, kLargestFile);
      visit(i, std::as_bytes(std::span(bytes)), file.string());
    }
  }

 private:
  fs::path folder_;
};

// --- an archive ---------------------------------------------------------------------------------

// Members one after the other, in memory only: no name in the archive becomes a path.
class Members {
 public:
  explicit Members(const std::string& file)
      : file_(file), archive_(archive_read_new(), archive_read_free) {
    check(archive_read_support_filter_gzip(archive_.get()));
    check(archive_read_support_format_tar(archive_.get()));
    check(archive_read_open_filename(archive_.get(), file.c_str(), kReadBytes));
  }

  // The next regular file, link or whatever, but no folder; false at the end.
  bool next() {
    do {
      const int result = archive_read_next_header(archive_.get(), &entry_);
      if (result == ARCHIVE_EOF) return false;
      check(result);
    } while (archive_entry_filetype(entry_) == AE_IFDIR);
    const char* const path = archive_entry_pathname(entry_);
    path_ = path == nullptr ? "" : path;
    while (path_.starts_with("./")) path_.erase(0, 2);
    return true;
  }

  const std::string& path() const { return path_; }
  std::string name() const { return file_ + ":" + path_; }

  std::string read(std::size_t limit) {
    if (archive_entry_filetype(entry_) != AE_IFREG || archive_entry_hardlink(entry_) != nullptr) {
      throw DataError(name() + " is a link or a device, not a file");
    }
    std::string bytes;
    for (;;) {
      const std::size_t had = bytes.size();
      if (had > limit) {
        throw DataError(
            fmt::format("{} is larger than {}", name(), human_bytes(static_cast<double>(limit))));
      }
      bytes.resize(had + kReadBytes);
      const la_ssize_t got = archive_read_data(archive_.get(), bytes.data() + had, kReadBytes);
      check(static_cast<int>(std::min<la_ssize_t>(got, 0)));
      bytes.resize(had + static_cast<std::size_t>(got));
      if (got == 0) return bytes;
    }
  }

 private:
  void check(int result) {
    if (result >= ARCHIVE_WARN) return;  // 0 and warnings: of names and owners that don't matter
    const char* const reason = archive_error_string(archive_.get());
    throw DataError(fmt::format("cannot read {}: {} (a .tar.gz or .tar, or a folder, is expected)",
                                file_, reason == nullptr ? "no reason given" : reason));
  }

  std::string file_;
  std::unique_ptr<archive, decltype(&archive_read_free)> archive_;
  archive_entry* entry_ = nullptr;
  std::string path_;
};

class Archive : public Cars3dSource {
 public:
  explicit Archive(const fs::path& path) : file_(path.string()) {
    Members members(file_);
    while (members.next()) {
      const std::string_view member = members.path();
      if (member != "list.txt" && member != "cars/list.txt" &&
          !member.ends_with("/cars/list.txt")) {
        continue;
      }
      folder_ = member.substr(0, member.size() - std::string_view("list.txt").size());
      models_ = parse_car_list(members.read(kLargestList), members.name());
      return;
    }
    throw DataError(fmt::format(
        "{} has no cars/list.txt, which names the models of Cars3D and fixes their order", file_));
  }

  // To the end of the archive, so that a truncated one is found out.
  void for_each(const Visit& visit) const override {
    std::unordered_map<std::string, std::size_t> wanted;
    for (std::size_t i = 0; i < models_.size(); ++i) wanted[member_of(i)] = i;
    std::vector<bool> seen(models_.size(), false);
    Members members(file_);
    while (members.next()) {
      const auto found = wanted.find(members.path());
      if (found == wanted.end()) continue;
      if (seen[found->second]) throw DataError(members.name() + " comes twice");
      seen[found->second] = true;
      const std::string bytes = members.read(kLargestFile);
      visit(found->second, std::as_bytes(std::span(bytes)), members.name());
    }
    const auto missing = std::find(seen.begin(), seen.end(), false);
    if (missing == seen.end()) return;
    throw DataError(fmt::format("{} has no {}, which its list.txt names ({} of {} are missing)",
                                file_, member_of(static_cast<std::size_t>(missing - seen.begin())),
                                std::count(seen.begin(), seen.end(), false), seen.size()));
  }

 private:
  std::string member_of(std::size_t model) const { return folder_ + models_[model] + ".mat"; }

  std::string file_;
  std::string folder_;  // of list.txt: "data/cars/"
};

}  // namespace

std::vector<std::string> parse_car_list(std::string_view text, const std::string& where) {
  std::vector<std::string> names;
  std::set<std::string> known;
  std::size_t line_number = 0;
  for (std::string& line : split(text, '\n')) {
    ++line_number;
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) {
      line.pop_back();
    }
    if (line.empty()) continue;
    if (line.ends_with(".mat")) line.resize(line.size() - 4);
    if (!is_plain_name(line)) {
      throw DataError(fmt::format(
          "{}, line {}: '{}' is not the plain name of a file: letters, digits, '-', '_' and '.'",
          where, line_number, line.substr(0, kLongestName)));
    }
    if (!known.insert(line).second) {
      throw DataError(fmt::format("{}, line {}: {} comes twice", where, line_number, line));
    }
    names.push_back(line);
  }
  if (names.empty()) throw DataError(where + " is empty: it should name the models");
  return names;
}

std::unique_ptr<Cars3dSource> open_cars3d_source(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    throw DataError(fmt::format("cannot open {}: no such file or folder", path.string()));
  }
  if (fs::is_directory(status)) return std::make_unique<Folder>(path);
  if (!fs::is_regular_file(status)) {
    throw DataError(fmt::format("cannot open {}: neither a file nor a folder", path.string()));
  }
  return std::make_unique<Archive>(path);
}

}  // namespace elbow
