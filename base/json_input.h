// JSON that strangers may have written: parsed with limits, and asked without trust in its form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace elbow {

// Nested no deeper than 32 levels: what reads it may recurse. Throws Error saying what is wrong.
nlohmann::ordered_json parse_json(std::string_view text);

// The JSON object that a file's text is. Throws Error naming the file and saying what is wrong.
nlohmann::ordered_json parse_json_object(std::string_view text, const std::filesystem::path& path);

// The same of a file of at most `limit` bytes.
nlohmann::ordered_json read_json_object(const std::filesystem::path& path, std::size_t limit);

// What is wrong, in the library's words without its own codes.
std::string json_problem(const nlohmann::json::exception& error);

// What is in `object` under `key` where it is of this kind. Of what is no object: nothing.
std::optional<double> find_number(const nlohmann::ordered_json& object, const char* key);
std::optional<std::int64_t> find_whole_number(const nlohmann::ordered_json& object,
                                              const char* key);                // 0 or more
std::string find_text(const nlohmann::ordered_json& object, const char* key);  // or ""
nlohmann::ordered_json find_object(const nlohmann::ordered_json& object,
                                   const char* key);  // or null

}  // namespace elbow
