// JSON of the run directory, which says of which version its form is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace elbow {

// A file may be as it was written, but this program cannot read it: it is of another version, or
// this user may not read it.
class UnreadableError : public CheckpointError {
 public:
  using CheckpointError::CheckpointError;
};

// Throws UnreadableError when this user may not read the file.
void require_readable(const std::filesystem::path& path);

// The text of a file that notices when it is changed: the object with a hash of itself as its last
// member, xxh3_128. Bytes that are no UTF-8 (a path's) are replaced.
std::string sealed_text(nlohmann::ordered_json object);

// As read_json_object; the object's format_version must be `version`. A file that holds a hash of
// itself must be what sealed_text() wrote, bit for bit. Throws CheckpointError naming the file,
// UnreadableError as it says.
nlohmann::ordered_json read_versioned_json(const std::filesystem::path& path, std::size_t limit,
                                           int version);

// An object of such a file, asked for members of the types that they must have. What lacks one is
// damaged: throws CheckpointError naming file and member. Refers to the object.
class StoredObject {
 public:
  // `prefix` of the members' names: "record." inside of the member record.
  StoredObject(const nlohmann::ordered_json& object, std::string file, std::string prefix = "");

  std::int64_t whole_number(const std::string& key) const;  // 0 or more
  double number(const std::string& key) const;              // NaN for null
  bool truth(const std::string& key) const;
  std::string text(const std::string& key) const;
  bool has(const std::string& key) const;
  bool is_null(const std::string& key) const;
  StoredObject object(const std::string& key) const;

 private:
  const nlohmann::ordered_json& member(const std::string& key) const;
  [[noreturn]] void refuse(const std::string& key, const char* problem) const;

  const nlohmann::ordered_json& object_;
  std::string file_;
  std::string prefix_;
};

}  // namespace elbow
