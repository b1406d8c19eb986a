// How near a word is to another one.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace elbow {

// How many letters of `word` are wrong (added, lost, replaced or swapped; case does not count)
// where `candidate` was meant. None when it is not near enough to be a misspelling: more than a
// third of the word's letters, and more than one; any letter of a word of one or two.
std::optional<std::size_t> misspelling(std::string_view word, std::string_view candidate);

}  // namespace elbow
