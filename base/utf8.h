// Text of unknown origin, character by character.
#pragma once

#include <cstdint>
#include <string_view>

namespace elbow {

struct Character {
  std::string_view bytes;  // of the text; a single byte where it begins no valid UTF-8
  std::uint32_t code = 0;  // the code point; the value of that byte
  bool valid = false;
};

// The character that a text, which is not empty, begins with. Overlong forms, surrogates and what
// lies beyond U+10FFFF are not valid (Unicode 15, table 3-7).
Character first_character(std::string_view text);

}  // namespace elbow
