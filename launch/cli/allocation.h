// What to say where there is too little memory.
#pragma once

#include <string>
#include <string_view>

namespace elbow {

// For std::bad_alloc, which does not tell how much was asked for.
std::string memory_problem();

// What a message of LibTorch says of memory that it could not have, with what would help; "" where
// it is about something else.
std::string memory_problem(std::string_view libtorch_message);

// Throws Error where a training whose state takes so many bytes a rank cannot fit into this
// machine's memory: the kernel would hand it out, and kill the program once it is used.
void require_memory(double state_bytes);

}  // namespace elbow
