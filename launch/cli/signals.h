// Requests to stop, from the terminal or a scheduler.
#pragma once

namespace elbow {

// From now on SIGINT, SIGTERM and SIGUSR1 ask for a stop at the next step; the handler only sets a
// flag. A second SIGINT ends the process at once.
void catch_stop_signals();

bool stop_requested();

}  // namespace elbow
