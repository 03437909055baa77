// Walking a tree through the VFS in the order of names. Layer 3; for tools.
#ifndef FS_FAKEFS_TREE_H
#define FS_FAKEFS_TREE_H

#include "fs/vfs.h"
#include "platform/base/compiler.h"

struct tree_visit {
    const struct path *path;
    const char *name; // relative to the top, "a/b"; "": the top itself
    const char *last; // its last component
    bool is_dir;
};

struct tree_walk {
    const struct vfs_caller *caller;
    // Each object, before what is in it. Positive: a directory is not entered.
    int (*visit)(void *ctx, const struct tree_visit *v);
    int (*left)(void *ctx, const struct tree_visit *v); // a directory, after it; may be NULL
    int (*failed)(void *ctx, int err, const char *name);
    void *ctx;
};

// Ends with the first failure, and returns it.
NODISCARD int tree_walk(const struct tree_walk *w, const struct path *top);

#endif
