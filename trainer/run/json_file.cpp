#include "trainer/run/json_file.h"

#include "base/atomic_file.h"
#include "base/error.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDeepest = 32;

Json parse(const std::filesystem::path& path, const std::string& text) {
  const auto not_too_deep = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kDeepest) {
      throw CheckpointError(fmt::format("{} is damaged: nested too deeply", path.string()));
    }
    return true;
  };
  try {
    return Json::parse(text, not_too_deep);
  } catch (const Json::exception& error) {
    throw CheckpointError(fmt::format("{} is damaged: {}", path.string(), error.what()));
  }
}

}  // namespace

Json read_json_object(const std::filesystem::path& path, std::size_t limit, int version) {
  std::string text;
  try {
    text = read_file(path, limit);
  } catch (const Error& error) {
    throw CheckpointError(error.what());
  }
  Json json = parse(path, text);
  if (!json.is_object() || !json.contains("format_version") ||
      !json["format_version"].is_number_integer()) {
    throw CheckpointError(fmt::format("{} is damaged: it has no format version", path.string()));
  }
  if (json["format_version"] != version) {
    throw CheckpointError(
        fmt::format("{} has format version {}, this program reads version {}: use the elbow that "
                    "wrote it",
                    path.string(), json["format_version"].dump(), version));
  }
  return json;
}

}  // namespace elbow
