#include "monitoring/label.h"

#include "base/utf8.h"

namespace elbow {
namespace {

constexpr std::size_t kLongestValue = 128;
constexpr std::size_t kLongestLabel = 64;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_control(std::uint32_t code) { return code < 0x20 || code == 0x7F; }

}  // namespace

std::string label_value(std::string_view text) {
  std::string value;
  while (!text.empty()) {
    const Character character = first_character(text);
    std::string_view shown = character.valid ? character.bytes : kReplacement;
    if (is_control(character.code)) shown = " ";
    if (value.size() + shown.size() > kLongestValue) break;
    value += shown;
    text.remove_prefix(character.bytes.size());
  }
  return value;
}

std::string label_name(std::string_view text) {
  std::string name;
  for (const char c : text.substr(0, kLongestLabel)) {
    name += is_letter(c) || is_digit(c) ? c : '_';
  }
  name.erase(0, name.starts_with("__") ? name.find_first_not_of('_') : 0);
  if (name.empty() || is_digit(name.front())) name.insert(0, "_");
  return name;
}

}  // namespace elbow
