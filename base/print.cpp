#include "base/print.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "base/error.h"
#include "base/utf8.h"

namespace elbow {
namespace {

struct CodeRange {
  std::uint32_t first;
  std::uint32_t last;
};

// C0 and C1 controls; zero-width space; directional marks, embeddings, overrides and isolates;
// separators of lines and paragraphs; invisible operators; byte order mark; interlinear
// annotations; tags. Joiners stay: scripts and emoji need them.
constexpr std::array<CodeRange, 10> kNotShown = {{{0x00, 0x1F},
                                                  {0x7F, 0x9F},
                                                  {0x061C, 0x061C},
                                                  {0x200B, 0x200B},
                                                  {0x200E, 0x200F},
                                                  {0x2028, 0x202E},
                                                  {0x2060, 0x206F},
                                                  {0xFEFF, 0xFEFF},
                                                  {0xFFF9, 0xFFFB},
                                                  {0xE0000, 0xE007F}}};

bool is_shown(std::uint32_t code) {
  if (code == '\n' || code == '\t') return true;
  return std::none_of(kNotShown.begin(), kNotShown.end(), [code](const CodeRange& range) {
    return code >= range.first && code <= range.last;
  });
}

std::string escaped(const Character& character) {
  if (!character.valid) return fmt::format("\\x{:02x}", character.code);
  if (character.code > 0xFFFF) return fmt::format("\\U{:08x}", character.code);
  return fmt::format("\\u{:04x}", character.code);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.valid && is_shown(character.code)) {
      shown += character.bytes;
    } else {
      shown += escaped(character);
    }
    text.remove_prefix(character.bytes.size());
  }
  return shown;
}

void print(std::string_view text) {
  const std::string shown = printable(text);
  const bool written = std::fwrite(shown.data(), 1, shown.size(), stdout) == shown.size();
  if (!written || std::fflush(stdout) != 0) {
    throw Error(fmt::format("cannot write to standard output: {}", errno_text(errno)));
  }
}

void print_error(std::string_view message) {
  std::fputs(fmt::format("elbow: {}\n", printable(message)).c_str(), stderr);
}

}  // namespace elbow
