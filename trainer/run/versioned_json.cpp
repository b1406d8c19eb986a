#include "trainer/run/versioned_json.h"

#include "base/error.h"
#include "base/json_input.h"

namespace elbow {
namespace {

using Json = nlohmann::ordered_json;

Json read_object(const std::filesystem::path& path, std::size_t limit) {
  try {
    return read_json_object(path, limit);
  } catch (const Error& error) {
    throw CheckpointError(error.what());
  }
}

}  // namespace

Json read_versioned_json(const std::filesystem::path& path, std::size_t limit, int version) {
  Json json = read_object(path, limit);
  const auto found = json.find("format_version");
  if (found == json.end() || !found->is_number_integer()) {
    throw CheckpointError(fmt::format("{} is damaged: it has no format version", path.string()));
  }
  if (*found != version) {
    throw CheckpointError(
        fmt::format("{} has format version {}, this program reads version {}: use the elbow that "
                    "wrote it",
                    path.string(), found->dump(), version));
  }
  return json;
}

}  // namespace elbow
