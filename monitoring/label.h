// Texts as Prometheus takes them for the names and values of labels.
#pragma once

#include <string>
#include <string_view>

namespace elbow {

// Valid UTF-8 of at most 128 bytes: what is not UTF-8 becomes U+FFFD, a control character a blank,
// and the rest is cut off between two characters.
std::string label_value(std::string_view text);

// [a-zA-Z_][a-zA-Z0-9_]* of at most 64 characters, "_" in place of any other; never beginning with
// "__", which Prometheus keeps for itself.
std::string label_name(std::string_view text);

}  // namespace elbow
