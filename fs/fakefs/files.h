// Files of a root that is not running: listing, reading, copying to and from the host. Layer 3;
// linked by the tools alone.
//
// A root is reached through the VFS, so its symlinks lead where they do for the guest, and it is
// locked meanwhile. Folders of the host are reached as with `ish -r`.
#ifndef FS_FAKEFS_FILES_H
#define FS_FAKEFS_FILES_H

#include "fs/fakefs/archive.h"
#include "fs/vfs.h"

struct files_place {
    const char *root; // a root; NULL: the host
    const char *path;
};

struct files_entry {
    const char *name;
    struct vfs_stat st;
    const char *target; // symlink; else NULL
};

// What a directory holds, in the order of names, or `place` itself when it is none.
NODISCARD int files_list(struct archive_job *job, const struct files_place *place,
                         int (*each)(void *ctx, const struct files_entry *e), void *ctx);
// The contents of a file.
NODISCARD int files_read(struct archive_job *job, const struct files_place *place,
                         int (*sink)(void *ctx, const void *data, size_t size), void *ctx);
// Copies as `cp -a`: what is in directories too; owners, modes, times, attributes, holes and hard
// links as far as the target can have them (skipped counts the objects that lost something). Into
// `to` when that is a directory, else under that name; a `from` that ends in "/." or is "/" means
// what is in it. Existing files are replaced in one step, directories are merged. A failure or a
// cancelled copy leaves whole files and no parts of any.
NODISCARD int files_copy(struct archive_job *job, const struct files_place *from,
                         const struct files_place *to);

#endif
