// A root mounted on its own, for tools: no kernel, no tasks. Layer 3.
#ifndef FS_FAKEFS_MACHINE_H
#define FS_FAKEFS_MACHINE_H

#include "fs/fakefs/fakefs.h"
#include "fs/vfs.h"
#include "platform/base/compiler.h"

struct machine {
    struct frame_pool *frames;
    struct vfs *vfs;
    struct cred *cred;
    struct vfs_caller caller; // user 0 with every capability, umask 0
};

// Mounts the root at the host path `root`. On failure nothing is left to stop.
NODISCARD int machine_start(struct machine *m, const char *root, char why[FAKEFS_WHY_MAX]);
// A host directory as it is, the host user being its root.
NODISCARD int machine_start_host(struct machine *m, const char *dir, char why[FAKEFS_WHY_MAX]);
// Nothing but an empty tree in memory, for mounts beside it.
NODISCARD int machine_start_empty(struct machine *m);
void machine_stop(struct machine *m); // writes everything and unlocks the root

#endif
