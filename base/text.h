// Small helpers for text that people read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace elbow {

// The candidate with the smallest edit distance to `word` (letters added, lost, replaced or
// swapped; case does not count), or "" when none is near enough to be a misspelling: more than a
// third of the word's letters would be wrong, and more than one.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

// "did you mean 'x'?" for the nearest candidate, else "valid are: a, b, c".
std::string suggestion(std::string_view word, std::span<const std::string> candidates);

std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);

// "[60000, 28, 28]"
std::string shape_text(std::span<const std::int64_t> shape);

std::string human_bytes(double bytes);  // "1.5 GiB"
// "4.2 s", "45 s", "3 min 20 s", "2 h 05 min"; "?" for what is no duration (negative, NaN, above a
// century).
std::string human_duration(double seconds);
std::string human_count(std::int64_t count);  // "1,000,003"

// The whole text as a decimal number; false, and `value` as it was, when any of it is not part of
// the number or the number does not fit. "inf" and "nan" are numbers of type double.
bool parse_number(std::string_view text, double& value);
bool parse_number(std::string_view text, std::int64_t& value);

// "1 rank", "2 ranks"
std::string counted(std::int64_t count, const std::string& noun);

}  // namespace elbow
