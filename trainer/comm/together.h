// Steps that succeed on all ranks or fail on all of them.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "trainer/comm/communicator.h"

namespace elbow {

// An error that every rank throws at the same point: the job can end in good order, and rank 0
// speaks for all.
class SharedError : public Error {
 public:
  using Error::Error;
};

// Runs `step`, which must contain no collective, on every rank. When it throws on any rank, all
// throw a SharedError with the message and exit code of the lowest rank that failed.
void together(Communicator& comm, const std::function<void()>& step);

// What a rank is or was told, by name: "LibTorch" -> "2.11.0".
using Facts = std::vector<std::pair<std::string, std::string>>;

// Throws SharedError on every rank unless the facts are the same on all; the first that differs is
// named with both values.
void require_same(Communicator& comm, const Facts& facts);

// The text of rank `root` on every rank.
std::string broadcast_text(Communicator& comm, const std::string& text, int root);

// The text of every rank on every rank, in their order.
std::vector<std::string> gather_text(Communicator& comm, const std::string& text);

}  // namespace elbow
