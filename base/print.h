// Where text leaves the program. Names and values of other people's files are in much of it, and a
// terminal obeys control characters: all that is printed or logged passes printable().
#pragma once

#include <string>
#include <string_view>

namespace elbow {

// The text with everything visible that a terminal would act on. Control characters other than the
// end of a line and the tabulator, and characters that reorder or hide others (U+202E and its kin),
// become "\u202e", as JSON and TOML write them; bytes that are not UTF-8 become "\xff". What is
// printable already stays as it is.
std::string printable(std::string_view text);

// A result, on standard output. Throws Error where it cannot be written.
void print(std::string_view text);

// "elbow: MESSAGE" in a line on standard error.
void print_error(std::string_view message);

}  // namespace elbow
