// The folder of a root on the host: its parts, its lock, which database belongs to it. Layer 3.
//
//   ROOT/data     the tree
//   ROOT/meta.db  the database (with meta.db-wal while open), and meta.db-log, the changes it does
//                 not have yet
//   ROOT/lock     locked by the process that owns the root
//   ROOT/tmp      files that have no name in the tree (O_TMPFILE); emptied at each start
#ifndef FS_FAKEFS_ROOT_H
#define FS_FAKEFS_ROOT_H

#include "fs/fakefs/db.h"
#include "platform/base/compiler.h"
#include "platform/base/log.h"
#include "platform/host_file.h"

struct root_dir {
    int fd, data_fd, tmp_fd, lock_fd;
    char *db_path;
};

// Opens the parts and takes the lock. -LINUX_EBUSY: another process has it.
NODISCARD int root_dir_open(const char *root, char *why, size_t why_size, struct root_dir *out);
void root_dir_close(struct root_dir *r); // harmless when zeroed or half open

// 0 when `root` does not exist or is an empty folder; -LINUX_EEXIST, -LINUX_ENOTEMPTY.
NODISCARD int root_check_absent(const char *root);
// What a root consists of, all of it empty. `root` must not exist or be empty.
NODISCARD int root_dir_make(const char *root, char *why, size_t why_size);

// Are names spelt as fs/host/name.c has it?
NODISCARD int root_names_escaped(struct db *db, bool *escaped);
// A root that came from elsewhere: can it be kept on this host? -LINUX_EOPNOTSUPP with `why`.
NODISCARD int root_check_host(const struct root_dir *r, struct db *db, char *why, size_t why_size);

// "INO:BTIME" of data and meta.db: changes when the root is copied.
enum { ROOT_IDENTITY_MAX = 64 };
NODISCARD int root_identity(const struct root_dir *r, char data[ROOT_IDENTITY_MAX],
                            char db[ROOT_IDENTITY_MAX]);
NODISCARD int root_identity_store(const struct root_dir *r, struct db *db);
// Is the database the one of this tree, or do both come from elsewhere?
NODISCARD int root_is_copy(const struct root_dir *r, struct db *db, bool *copy);

// Told between pieces of long work; false cancels it. As in archive_job.
struct root_progress {
    bool (*step)(void *ctx, uint64_t bytes, uint64_t total, uint64_t entries);
    void *ctx;
};
// Finds the objects of all rows again by their hints, after a copy (rebuild.c). The old database is
// kept beside the new one. `progress` may be NULL; -LINUX_ECANCELED: nothing was changed.
NODISCARD int root_rebuild(const struct root_dir *r, struct db *db, const struct log *log,
                           const struct root_progress *progress);
// The renames of directories that hints may not know of.
struct root_renames {
    struct {
        uint64_t seq;
        char *from, *to;
    } *all;
    size_t count, room;
};
NODISCARD int root_renames_load(struct db *db, struct root_renames *out);
void root_renames_free(struct root_renames *r);
// All paths of a hint as they are now, joined by NUL, in a new buffer. NULL without memory.
char *root_current_hint(const struct root_renames *r, const struct db_hint *hint, size_t *len);

// Brings hints up to date and empties the log of renames.
NODISCARD int root_compact(struct db *db);
// The host object at a path below data/ (no symlink is followed). -LINUX_ENOENT.
NODISCARD int root_find(const struct root_dir *r, const char *path, struct host_stat *out);
// A directory below data/ by its path. Returns a descriptor.
NODISCARD int root_open_dir(const struct root_dir *r, const char *path);
// Calls `each` for every name below data/, until it fails. `descend`: set for what is to be
// entered.
typedef int root_walk_each(void *ctx, int dir_fd, const char *path, const struct host_dirent *e,
                           bool *descend);
NODISCARD int root_walk(const struct root_dir *r, root_walk_each *each, void *ctx);
// The host's mode for what the guest calls `mode` (with type), and what needs a row: all the host's
// object does not say.
uint32_t root_host_bits(uint32_t mode);
bool root_needs_row(uint32_t mode, uint32_t uid, uint32_t gid);
// Could an object of this host mode carry a row of that mode?
bool root_kinds_fit(uint32_t host_mode, uint32_t row_mode);

#endif
