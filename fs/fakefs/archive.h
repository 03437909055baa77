// Roots from and to tar archives, and from iSH's. Layer 3; linked by the tools alone (needs
// libarchive).
//
// Import goes through the VFS of a root being made, so nothing the archive says can name anything
// outside it; symlinks in the archive never redirect later entries. Export walks the tree in the
// order of names: the same root gives the same bytes.
#ifndef FS_FAKEFS_ARCHIVE_H
#define FS_FAKEFS_ARCHIVE_H

#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARCHIVE_WHY_MAX = 1024 };

struct archive_job {
    // Called between blocks of data; false cancels (-LINUX_ECANCELED). `total` is 0 when it is not
    // known. `entries`: so far. May be NULL.
    bool (*step)(void *ctx, uint64_t bytes, uint64_t total, uint64_t entries);
    void *ctx;
    char why[ARCHIVE_WHY_MAX]; // out: a sentence on failure
    uint64_t entries;          // out
    uint64_t skipped;          // out: entries or attributes that have no place there
    // Of several container images in one archive, the one of this name; NULL: there is but one.
    const char *image;
    // out: what a container image says about running it, lines of "name value", to be freed; NULL
    // for another archive. Nothing of it is done by anybody.
    char *image_report;
};

// Reads a tar (any compression known to libarchive) and makes the root `root`, which must not exist
// or be an empty folder. It is built as ROOT.partial; on failure nothing is left. An archive of a
// container image (an OCI layout, `docker save`) makes the root that the image's layers amount to,
// with the image's configuration beside it in ROOT/image.json.
NODISCARD int archive_import(struct archive_job *job, int tar_fd, const char *root);
// The same for an image that is a folder of the host.
NODISCARD int archive_import_dir(struct archive_job *job, const char *dir, const char *root);

// Makes a root of iSH (database of version 3) one of ours, in place; the old database is kept as
// meta.db.ish3. `skipped`: recorded paths that lead to nothing. Cancelled or interrupted, the next
// one goes on where it was.
NODISCARD int archive_migrate(struct archive_job *job, const char *root);

enum archive_compression { ARCHIVE_PLAIN, ARCHIVE_GZIP, ARCHIVE_XZ, ARCHIVE_ZSTD };
// Writes the tree of a root nobody else is using.
NODISCARD int archive_export(struct archive_job *job, const char *root, int tar_fd,
                             enum archive_compression compression);

// Deletes a folder of the host with everything in it, following nothing. 0 when there is none.
NODISCARD int host_remove_tree(const char *path);

#endif
