#ifndef THROUGHLINE_CPOSIX_SHIM_H
#define THROUGHLINE_CPOSIX_SHIM_H

#include <sys/prctl.h>

/// Names the calling thread, at most 15 bytes (`prctl` is variadic, which Swift cannot call).
static inline void tl_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

#endif
