// Path walks with their last component held back: what create, delete and open need. Layer 3.
//
// A walk keeps where it is (`cur`) and the text still to go: the path itself, and the texts of the
// symlinks met on the way. walk_parent() stops before the last component; walk_last() resolves it.
#ifndef FS_PATH_H
#define FS_PATH_H

#include "fs/vfs_core.h"
#include "platform/abi/fs.h"

enum walk_last_kind {
    WALK_LAST_NAME, // `last` in the directory `cur`
    WALK_LAST_ROOT, // the rest: `cur` is the result itself
    WALK_LAST_DOT,
    WALK_LAST_DOTDOT,
    WALK_LAST_LINK, // a magic link led there
};

struct walk {
    const struct vfs_caller *c;
    unsigned flags;
    struct path cur;  // referenced
    struct path root; // borrowed: where absolute paths start and ".." stops
    struct path base; // borrowed: WALK_BENEATH stops there
    unsigned links;
    unsigned depth; // texts on the stack
    struct {
        char *text; // NULL for the caller's string
        const char *rest;
    } stack[LINUX_SYMLINK_MAX + 1];

    enum walk_last_kind kind;
    bool must_be_dir; // a slash followed
    size_t last_len;
    uint32_t last_hash;
    char last[LINUX_NAME_MAX + 1];
};

// In a walk's flags besides enum vfs_walk_flags: no one wants the last component held back.
#define WALK_WHOLE (1u << 31)

// Starts at `base` (NULL: the caller's cwd). Ends with walk_end() whatever it returns. `name` is
// borrowed until then.
NODISCARD int walk_begin(struct walk *w, const struct vfs_caller *c, const struct path *base,
                         const char *name, unsigned flags);
NODISCARD int walk_parent(struct walk *w);
// Resolves the rest, following a symlink in the last place if `follow` (or a slash comes after it).
NODISCARD int walk_last(struct walk *w, bool follow);
// Goes on through the symlink `link` (a child of cur): to the last component of its text.
NODISCARD int walk_into_link(struct walk *w, const struct path *link);
void walk_end(struct walk *w);

// The entry of a directory (`name` is NUL-terminated), referenced; possibly negative. `locked`: the
// caller holds the directory's lock.
NODISCARD int dir_lookup(const struct vfs_caller *c, struct dentry *dir, const char *name,
                         size_t len, bool locked, struct dentry **out);

#endif
