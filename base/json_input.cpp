#include "base/json_input.h"

#include <array>

#include "base/atomic_file.h"
#include "base/error.h"

namespace elbow {

using Json = nlohmann::ordered_json;

Json parse_json(std::string_view text) {
  constexpr int kDeepest = 32;
  // An object that keeps its order finds a name by going through all of them.
  constexpr std::int64_t kMostNames = 20000;
  std::array<std::int64_t, kDeepest + 2> names{};
  try {
    return Json::parse(text, [&names](int depth, Json::parse_event_t event, Json&) {
      if (depth > kDeepest) throw Error("nested too deeply");
      auto& count = names[static_cast<std::size_t>(depth)];
      if (event == Json::parse_event_t::object_start)
        names[static_cast<std::size_t>(depth) + 1] = 0;
      if (event == Json::parse_event_t::key && ++count > kMostNames) {
        throw Error("an object of it has too many names");
      }
      return true;
    });
  } catch (const Json::exception& error) {
    throw Error(json_problem(error));
  }
}

std::string json_problem(const nlohmann::json::exception& error) {
  const std::string text = error.what();
  const auto end = text.starts_with('[') ? text.find("] ") : std::string::npos;
  return end == std::string::npos ? text : text.substr(end + 2);
}

Json parse_json_object(std::string_view text, const std::filesystem::path& path) {
  Json json;
  try {
    json = parse_json(text);
  } catch (const Error& error) {
    throw Error(fmt::format("{} is damaged: {}", path.string(), error.what()));
  }
  if (!json.is_object()) {
    throw Error(fmt::format("{} is damaged: it holds no JSON object", path.string()));
  }
  return json;
}

Json read_json_object(const std::filesystem::path& path, std::size_t limit) {
  return parse_json_object(read_file(path, limit), path);
}

std::optional<double> find_number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::optional<std::int64_t> find_whole_number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  const auto value = found->get<std::int64_t>();
  return value < 0 ? std::nullopt : std::optional(value);
}

std::string find_text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Json find_object(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : Json();
}

}  // namespace elbow
