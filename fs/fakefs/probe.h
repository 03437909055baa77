// What the host's file system can do, found out by trying, where a root is to be. Layer 3.
#ifndef FS_FAKEFS_PROBE_H
#define FS_FAKEFS_PROBE_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>

struct probe {
    bool folds; // takes different names for the same
};

// `dir_fd`: an empty place to try things in; nothing is left there. -LINUX_EOPNOTSUPP: no root can
// be kept there, and `why` says what is missing.
NODISCARD int probe_host(int dir_fd, struct probe *out, char *why, size_t why_size);

#endif
