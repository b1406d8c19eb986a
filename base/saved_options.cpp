#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/options.h"
#include "base/text.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

// Far above what is ever written.
constexpr std::size_t kMostEntries = 64;
constexpr std::size_t kLongestValue = 16 << 10;

// A value as a command line would give it.
std::string option_text(const std::string& name, const Json& value) {
  if (value.is_array() && value.size() > kMostEntries) {
    throw ConfigError(fmt::format("'{}' has {} entries, at most {} are allowed", name, value.size(),
                                  kMostEntries));
  }
  std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  if (text.size() > kLongestValue) throw ConfigError(fmt::format("'{}' is too long", name));
  return text;
}

}  // namespace

void OptionTable::apply_before(std::string_view group) {
  for (std::size_t i = 0; i < options_.size(); ++i) {
    const std::optional<std::string> before = options_[i].before;
    if (!before || (!group.empty() && options_[i].group() != group)) continue;
    apply_text(options_[i].key, *before, "before there was this option");
    options_[i].origin = Option().origin;
  }
}

void OptionTable::apply_saved_file(const std::filesystem::path& path) {
  apply_before("");
  apply_file(path);
}

void OptionTable::apply_saved_toml(std::string_view text, const std::string& origin) {
  apply_before("");
  apply_toml(text, origin);
}

Json OptionTable::to_json(std::string_view group) const {
  Json json = Json::object();
  for (const Option& option : options_) {
    if (option.group() != group) continue;
    std::visit([&](const auto* value) { json[option.name()] = *value; }, option.member);
  }
  return json;
}

void OptionTable::apply_saved_json(std::string_view group, const Json& json,
                                   const std::string& origin) {
  if (!json.is_object()) throw ConfigError(fmt::format("'{}' is not an object", group));
  for (const Option& option : options_) {
    if (option.group() == group && !option.before && !json.contains(option.name())) {
      throw ConfigError(fmt::format("'{}' is missing", option.name()));
    }
  }
  apply_before(group);
  for (const auto& [name, value] : json.items()) {
    apply_text(fmt::format("{}.{}", group, name), option_text(name, value), origin);
  }
}

}  // namespace elbow
