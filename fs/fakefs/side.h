// The two ends of a copy in one VFS: roots, and folders of the host. Layer 3; private to the file
// tools.
#ifndef FS_FAKEFS_SIDE_H
#define FS_FAKEFS_SIDE_H

#include "fs/fakefs/files.h"
#include "fs/fakefs/machine.h"
#include "platform/abi/fs.h"

struct side {
    const struct files_place *place;
    struct vfs_caller caller;  // whose root is this side's
    char path[LINUX_PATH_MAX]; // below that, as given; for the host: its last name, or "."
    bool mounted;              // caller.root is a mount of its own
};

struct sides {
    struct machine m;
    struct side from, to;
};

// Sets job->why unless something did; returns err.
int side_fail(struct archive_job *job, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
// `to` may be NULL. One of them is a root. Two places in one root are one mount.
NODISCARD int sides_open(struct sides *s, struct archive_job *job, const struct files_place *from,
                         const struct files_place *to);
void sides_close(struct sides *s);

// What the place names, symlinks followed; referenced.
NODISCARD int side_find(const struct side *side, struct path *out);
// The same without following the last one. `last`: its name, "" when the path means what is in it.
NODISCARD int side_find_last(const struct side *side, struct path *out,
                             char last[LINUX_NAME_MAX + 1]);
// The directory that what the place names would be made in, and its name there.
NODISCARD int side_find_parent(const struct side *side, struct path *out,
                               char last[LINUX_NAME_MAX + 1]);

#endif
