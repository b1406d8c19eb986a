#include "monitoring/report/report_input.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/json_input.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLongestText = 2000;     // bytes
constexpr std::size_t kLongestList = 200;      // entries
constexpr std::size_t kLongestLine = 1 << 16;  // bytes
constexpr std::size_t kPiece = 1 << 20;        // bytes read at a time

bool is_object(std::string_view line, Json& object) {
  try {
    object = parse_json(line);
  } catch (const Error&) {
    return false;
  }
  return object.is_object();
}

}  // namespace

bool is_there(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::symlink_status(path, error));
}

void require_regular(const std::filesystem::path& path) {
  std::error_code error;
  const auto type = std::filesystem::symlink_status(path, error).type();
  if (type == std::filesystem::file_type::regular) return;
  throw Error(fmt::format("{} is {}", path.string(),
                          type == std::filesystem::file_type::not_found ? "not there"
                          : type == std::filesystem::file_type::symlink
                              ? "a link, which a report does not follow"
                              : "not a regular file"));
}

Json read_json_file(const std::filesystem::path& path, std::size_t limit) {
  require_regular(path);
  return read_json_object(path, limit);
}

std::string clipped(const std::string& text) {
  return text.size() <= kLongestText ? text : text.substr(0, kLongestText) + "...";
}

Json clipped(const Json& json) {
  if (json.is_string()) return clipped(json.get<std::string>());
  if (json.is_array()) {
    Json list = Json::array();
    const std::size_t first = json.size() - std::min(json.size(), kLongestList);
    for (std::size_t i = first; i < json.size(); ++i) list.push_back(clipped(json[i]));
    return list;
  }
  if (json.is_object()) {
    Json object = Json::object();
    for (const auto& [key, value] : json.items()) {
      if (object.size() == kLongestList) break;
      object[clipped(key)] = clipped(value);
    }
    return object;
  }
  return json;
}

double number_in(const Json& object, const char* key) {
  return find_number(object, key).value_or(std::numeric_limits<double>::quiet_NaN());
}

std::int64_t for_each_json_line(const std::filesystem::path& path,
                                const std::function<void(const Json&)>& use) {
  require_regular(path);
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(kPiece);
  std::string line;
  std::int64_t refused = 0;
  Json object;
  // What is appended while we read belongs to the next report.
  std::error_code error;
  std::uintmax_t left = std::filesystem::file_size(path, error);
  while (!error && left > 0) {
    const auto wanted = std::min<std::uintmax_t>(left, piece.size());
    if (!file.read(piece.data(), static_cast<std::streamsize>(wanted))) {
      throw Error(fmt::format("cannot read {}", path.string()));
    }
    left -= wanted;
    for (std::string_view rest(piece.data(), wanted); !rest.empty();) {
      const std::size_t end = rest.find('\n');
      // One byte beyond the limit is kept, which shows that the line is too long.
      line +=
          rest.substr(0, std::min(end, kLongestLine + 1 - std::min(line.size(), kLongestLine + 1)));
      if (end == std::string_view::npos) break;
      if (line.size() <= kLongestLine && is_object(line, object)) {
        use(object);
      } else {
        ++refused;
      }
      line.clear();
      rest.remove_prefix(end + 1);
    }
  }
  if (error) throw Error(fmt::format("cannot read {}: {}", path.string(), error.message()));
  return refused;
}

}  // namespace elbow
