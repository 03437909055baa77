// What reading archives into a root being made consists of: plain archives (import.c), layers of a
// container image (layer.c, image.c). Layer 3; private to them.
#ifndef FS_FAKEFS_IMPORT_H
#define FS_FAKEFS_IMPORT_H

#include "fs/fakefs/archive.h"
#include "fs/fakefs/machine.h"
#include "platform/abi/fs.h"

struct archive;
struct archive_entry;
struct layer;

// What waits until the end: a directory's mode and times change while it is being filled.
struct late_dir {
    char *name;
    uint32_t mode, uid, gid;
    int64_t mtime;
};

struct import {
    struct archive_job *job;
    struct archive *tar;
    uint64_t total;
    const char *what; // `tar`, in messages; NULL: "the archive"
    // Progress, when `tar` is one of several: bytes of those before it, and where it is.
    const uint64_t *position;
    struct layer *layer; // NULL: a plain archive, which stands for itself
    struct machine m;
    struct late_dir *dirs;
    size_t dir_count, dir_room;
    // The directory of the last entry: the next one is usually there, too.
    char parent_name[LINUX_PATH_MAX];
    struct path parent;
};

// Sets job->why unless something did; returns err.
int import_fail(struct import *im, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
int import_fail_errno(struct import *im, int err, const char *name);
NODISCARD int import_step(struct import *im);
// The root being made at the host path `partial`, which does not exist. After success ended with
// import_end(), which gives `err` or what went wrong in the end.
NODISCARD int import_begin(struct import *im, const char *partial);
NODISCARD int import_end(struct import *im, const char *partial, int err);
// All entries of im->tar.
NODISCARD int import_entries(struct import *im);
// A reader of every compression (NULL without memory).
struct archive *import_reader(void);

// --- fs/fakefs/layer.c ---------------------------------------------------------------------------
struct layer *layer_create(void); // NULL without memory
void layer_free(struct layer *layer);
// The entry `name` in im->parent is of this layer.
NODISCARD int layer_note(struct import *im, const char *name);
// `name` in im->parent is a mark that hides what lower layers have there. *done: it was one.
NODISCARD int layer_whiteout(struct import *im, const char *whole, const char *name, bool *done);
// Removes `name` in `dir` with everything in it.
NODISCARD int layer_remove(struct import *im, const struct path *dir, const char *name);

// --- fs/fakefs/image.c ---------------------------------------------------------------------------
// A container image found as files: an OCI layout, or what `docker save` writes.
enum image_kind { IMAGE_NONE, IMAGE_OCI, IMAGE_DOCKER };
enum image_kind image_kind_of(const struct vfs_caller *files);
// Makes the root `partial` of the image among `files`.
NODISCARD int image_import(struct archive_job *job, const struct vfs_caller *files,
                           const char *partial);

#endif
