// What is said of an exception that nothing else has understood.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace elbow {

struct Failure {
  ExitCode code = ExitCode::kFailed;
  std::string message;
};

// Of the exception that is being handled: call it in a catch block.
Failure current_failure();

// What a message of LibTorch says of memory that it could not have, with what would help; "" where
// it is about something else.
std::string memory_problem(std::string_view libtorch_message);

}  // namespace elbow
