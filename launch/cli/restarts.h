// When a training is started again, as shell functions.
#pragma once

namespace elbow {

// The text of launch/restarts.sh.
extern const char* const kRestarts;

}  // namespace elbow
