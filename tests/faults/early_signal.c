/* Preloaded: SIGUSR1 comes while the libraries are being loaded, before main. */
#include <signal.h>

__attribute__((constructor)) static void signal_early(void) { raise(SIGUSR1); }
