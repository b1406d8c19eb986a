#include "trainer/run/versioned_json.h"

#include <cerrno>
#include <limits>
#include <utility>

#include <unistd.h>

#include "base/atomic_file.h"
#include "base/hash.h"
#include "base/json_input.h"

namespace elbow {

using Json = nlohmann::ordered_json;

namespace {

constexpr char kSeal[] = "xxh3_128";

}  // namespace

void require_readable(const std::filesystem::path& path) {
  if (::access(path.c_str(), R_OK) == 0 || errno != EACCES) return;
  throw UnreadableError(fmt::format("cannot read {}: {}; ask its owner for the right to read it",
                                    path.string(), errno_text(EACCES)));
}

std::string sealed_text(Json object) {
  const auto replace = Json::error_handler_t::replace;
  object.erase(kSeal);
  const std::string hash = hash_hex(object.dump(-1, ' ', false, replace));
  object[kSeal] = hash;
  return object.dump(1, ' ', false, replace) + "\n";
}

Json read_versioned_json(const std::filesystem::path& path, std::size_t limit, int version) {
  require_readable(path);
  std::string text;
  Json json = errors_as<CheckpointError>([&] {
    text = read_file(path, limit);
    return parse_json_object(text, path);
  });
  const auto found = json.find("format_version");
  if (found == json.end() || !found->is_number_integer()) {
    throw CheckpointError(fmt::format("{} is damaged: it has no format version", path.string()));
  }
  if (*found != version) {
    throw UnreadableError(
        fmt::format("{} has format version {}, this program reads version {}: use the elbow that "
                    "wrote it",
                    path.string(), found->dump(), version));
  }
  if (json.contains(kSeal) && text != sealed_text(json)) {
    throw CheckpointError(
        fmt::format("{} is damaged: its content does not match its hash", path.string()));
  }
  return json;
}

StoredObject::StoredObject(const Json& object, std::string file, std::string prefix)
    : object_(object), file_(std::move(file)), prefix_(std::move(prefix)) {}

std::int64_t StoredObject::whole_number(const std::string& key) const {
  member(key);
  const auto number = find_whole_number(object_, key.c_str());
  if (!number) refuse(key, "is no whole number from 0 on");
  return *number;
}

double StoredObject::number(const std::string& key) const {
  if (is_null(key)) return std::numeric_limits<double>::quiet_NaN();
  const auto number = find_number(object_, key.c_str());
  if (!number) refuse(key, "is no number");
  return *number;
}

bool StoredObject::truth(const std::string& key) const {
  const Json& value = member(key);
  if (!value.is_boolean()) refuse(key, "is neither true nor false");
  return value.get<bool>();
}

std::string StoredObject::text(const std::string& key) const {
  const Json& value = member(key);
  if (!value.is_string()) refuse(key, "is no text");
  return value.get<std::string>();
}

bool StoredObject::has(const std::string& key) const { return object_.contains(key); }

bool StoredObject::is_null(const std::string& key) const { return member(key).is_null(); }

StoredObject StoredObject::object(const std::string& key) const {
  const Json& value = member(key);
  if (!value.is_object()) refuse(key, "is no object");
  return {value, file_, prefix_ + key + "."};
}

const Json& StoredObject::member(const std::string& key) const {
  const auto found = object_.find(key);
  if (found == object_.end()) refuse(key, "is missing");
  return *found;
}

void StoredObject::refuse(const std::string& key, const char* problem) const {
  throw CheckpointError(fmt::format("{} is damaged: '{}{}' {}", file_, prefix_, key, problem));
}

}  // namespace elbow
