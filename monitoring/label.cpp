#include "monitoring/label.h"

#include <cstdint>

namespace elbow {
namespace {

constexpr std::size_t kLongestValue = 128;
constexpr std::size_t kLongestName = 64;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::uint8_t byte(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

// Bytes of the character that a UTF-8 text begins with, 0 where it is none. Overlong forms,
// surrogates and what lies beyond U+10FFFF are none (Unicode 15, table 3-7).
std::size_t character_length(std::string_view text) {
  const std::uint8_t first = byte(text, 0);
  if (first < 0x80) return 1;
  const std::size_t length = first < 0xC2   ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(text, i) & 0xC0) != 0x80) return 0;
  }
  const std::uint8_t second = byte(text, 1);
  if (first == 0xE0 && second < 0xA0) return 0;
  if (first == 0xED && second > 0x9F) return 0;
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second > 0x8F) return 0;
  return length;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_control(std::string_view character) {
  return character.size() == 1 && (byte(character, 0) < 0x20 || byte(character, 0) == 0x7F);
}

}  // namespace

std::string label_value(std::string_view text) {
  std::string value;
  while (!text.empty()) {
    const std::size_t length = character_length(text);
    std::string_view character = length == 0 ? kReplacement : text.substr(0, length);
    if (is_control(character)) character = " ";
    if (value.size() + character.size() > kLongestValue) break;
    value += character;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return value;
}

std::string label_name(std::string_view text) {
  std::string name;
  for (const char c : text.substr(0, kLongestName)) {
    name += is_letter(c) || is_digit(c) ? c : '_';
  }
  name.erase(0, name.starts_with("__") ? name.find_first_not_of('_') : 0);
  if (name.empty() || is_digit(name.front())) name.insert(0, "_");
  return name;
}

}  // namespace elbow
