// A root of ours: a host tree (ROOT/data) whose owners, modes, devices and xattrs are in a database
// (ROOT/meta.db). Layer 3.
//
// The host tree is the truth for names, contents, times and link counts. One process owns a root at
// a time (ROOT/lock). The format is described in fs/fakefs/db.h.
#ifndef FS_FAKEFS_FAKEFS_H
#define FS_FAKEFS_FAKEFS_H

#include "fs/vfs.h"
#include "platform/base/compiler.h"
#include "platform/base/log.h"

enum { FAKEFS_WHY_MAX = 512 };

// Opens the root at the host path `root`. On failure `why` has a sentence for the user. Failures:
// -LINUX_ENOENT (no such root), -LINUX_EBUSY (another process has it), -LINUX_EUCLEAN (the database
// is damaged), -LINUX_EPROTONOSUPPORT (made by another program or a newer version), and what the
// host reports. `log` may be NULL and outlives the super.
NODISCARD int fakefs_create(struct vfs *vfs, const char *root, const struct log *log,
                            char why[FAKEFS_WHY_MAX], struct super **out);

// Between the two, changes of metadata are not durable when a call returns, but all at once in the
// end: for filling a root that nobody uses yet.
void fakefs_bulk_begin(struct super *super);
NODISCARD int fakefs_bulk_end(struct super *super);

// Makes an empty root at `root`, which must not exist or be an empty directory.
NODISCARD int fakefs_format(const char *root, char why[FAKEFS_WHY_MAX]);

#endif
