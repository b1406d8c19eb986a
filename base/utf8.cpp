#include "base/utf8.h"

namespace elbow {
namespace {

std::uint8_t byte(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

// Bytes that a character has by its first one, 0 where none begins so.
std::size_t announced_length(std::uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  return first < 0xF5 ? 4 : 0;
}

bool is_character(std::string_view text, std::size_t length) {
  if (length == 0 || text.size() < length) return false;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(text, i) & 0xC0) != 0x80) return false;
  }
  if (length < 3) return true;
  const std::uint8_t first = byte(text, 0);
  const std::uint8_t second = byte(text, 1);
  return !(first == 0xE0 && second < 0xA0) && !(first == 0xED && second > 0x9F) &&
         !(first == 0xF0 && second < 0x90) && !(first == 0xF4 && second > 0x8F);
}

}  // namespace

Character first_character(std::string_view text) {
  const std::uint8_t first = byte(text, 0);
  const std::size_t length = announced_length(first);
  if (!is_character(text, length)) return {text.substr(0, 1), first, false};
  std::uint32_t code = length == 1 ? first : first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) code = code << 6 | (byte(text, i) & 0x3FU);
  return {text.substr(0, length), code, true};
}

}  // namespace elbow
