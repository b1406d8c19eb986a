// Requests to stop, from the terminal or a scheduler.
#pragma once

namespace elbow {

// SIGINT, SIGTERM and SIGUSR1 are held back from before the libraries' constructors run, which take
// most of the time up to main: one that comes so early would end a training that can save and stop.
// From this call on they take effect, those that came meanwhile at once: as catch_stop_signals says
// where it was called before, by ending the process elsewhere. Called once, before MPI starts,
// whose threads would otherwise hold them back too.
void deliver_stop_signals();

// From now on they ask for a stop at the next step; the handler only sets a flag. A second SIGINT
// ends the process at once.
void catch_stop_signals();

bool stop_requested();

}  // namespace elbow
