#include "data/spec.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <glob.h>

#include "base/error.h"
#include "base/text.h"
#include "data/hdf5.h"

namespace elbow {
namespace {

std::vector<std::string> matches(const std::string& pattern) {
  glob_t found{};
  const int result = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  std::vector<std::string> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (result != 0 && result != GLOB_NOMATCH) {
    throw DataError(fmt::format("cannot look for files {}", pattern));
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool is_pattern(const std::string& file) {
  std::error_code ignored;
  return file.find_first_of("*?[") != std::string::npos && !std::filesystem::exists(file, ignored);
}

}  // namespace

PartName parse_spec(const std::string& spec) {
  const std::size_t colon = spec.rfind(":/");
  if (colon != std::string::npos && colon > 0 && colon + 2 < spec.size()) {
    return {spec.substr(0, colon), spec.substr(colon + 1)};
  }
  std::string message =
      fmt::format("'{}' names no data set; write FILE:/path, as in data.h5:/train/images", spec);
  std::error_code ignored;
  if (std::filesystem::is_regular_file(spec, ignored)) {
    std::vector<std::string> there;
    const auto list = [&] { there = hdf5::list_data_sets(hdf5::open_file(spec), true, 8); };
    hdf5::rehearse(spec, list);
    list();
    if (!there.empty()) message += fmt::format("; {} holds {}", spec, join(there, ", "));
  }
  throw DataError(message);
}

std::vector<PartName> expand_specs(const std::vector<std::string>& specs) {
  if (specs.empty()) throw DataError("no data set is named; write FILE:/path");
  std::vector<PartName> parts;
  std::set<std::string> seen;
  for (const std::string& spec : specs) {
    const PartName name = parse_spec(spec);
    std::vector<std::string> files{name.file};
    if (is_pattern(name.file)) {
      files = matches(name.file);
      if (files.empty()) throw DataError(fmt::format("no file matches {}", name.file));
    }
    for (const std::string& file : files) {
      if (!seen.insert(hdf5::data_set_name(file, name.path)).second) {
        throw DataError(fmt::format("{} is named twice; its samples would count twice",
                                    hdf5::data_set_name(file, name.path)));
      }
      parts.push_back({file, name.path});
    }
  }
  return parts;
}

}  // namespace elbow
