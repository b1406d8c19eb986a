// What a run directory that may be a stranger's holds: read with limits, and cut to a size fit to
// be shown.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include <nlohmann/json.hpp>

namespace elbow {

// As read_json_object, of a regular file that is no link.
nlohmann::ordered_json read_json_file(const std::filesystem::path& path, std::size_t limit);

// The same with long texts and long lists cut: of a list the last entries stay, of an object the
// first.
nlohmann::ordered_json clipped(const nlohmann::ordered_json& json);
std::string clipped(const std::string& text);

// The number that is in `object` under `key`, or NaN: JavaScript's null.
double number_in(const nlohmann::ordered_json& object, const char* key);

// Calls `use` with each line that is a JSON object, in memory that doesn't depend on how many there
// are. Returns how many lines are none; a last line without its end is on its way and not counted.
// Throws Error naming the file when it cannot be read.
std::int64_t for_each_json_line(const std::filesystem::path& path,
                                const std::function<void(const nlohmann::ordered_json&)>& use);

// Whether there is something of this name, be it readable or not.
bool is_there(const std::filesystem::path& path);

// Throws Error unless `path` is a regular file: a link could lead anywhere, a pipe has no end.
void require_regular(const std::filesystem::path& path);

}  // namespace elbow
