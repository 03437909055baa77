// Rights over parts of the tree that a program gave up (landlock(7)). Layer 3.
//
// A domain is a pile of layers, each of which handles some rights and grants them again below some
// objects. An access is allowed when every layer that handles it grants it somewhere between the
// object and the root. Domains belong to credentials and are immutable.
#ifndef FS_LANDLOCK_H
#define FS_LANDLOCK_H

#include "platform/base/compiler.h"
#include "platform/lock.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cred;
struct inode;
struct path;
struct vfs_caller;

enum landlock_access {
    LANDLOCK_EXECUTE = 1 << 0,
    LANDLOCK_WRITE_FILE = 1 << 1,
    LANDLOCK_READ_FILE = 1 << 2,
    LANDLOCK_READ_DIR = 1 << 3,
    LANDLOCK_REMOVE_DIR = 1 << 4,
    LANDLOCK_REMOVE_FILE = 1 << 5,
    LANDLOCK_MAKE_CHAR = 1 << 6,
    LANDLOCK_MAKE_DIR = 1 << 7,
    LANDLOCK_MAKE_REG = 1 << 8,
    LANDLOCK_MAKE_SOCK = 1 << 9,
    LANDLOCK_MAKE_FIFO = 1 << 10,
    LANDLOCK_MAKE_BLOCK = 1 << 11,
    LANDLOCK_MAKE_SYM = 1 << 12,
    LANDLOCK_REFER = 1 << 13,
    LANDLOCK_ALL = (1 << 14) - 1,
    LANDLOCK_OF_FILES = LANDLOCK_EXECUTE | LANDLOCK_WRITE_FILE | LANDLOCK_READ_FILE,
};
enum { LANDLOCK_LAYERS_MAX = 16, LANDLOCK_RULES_MAX = 1 << 16 };

struct landlock_rule {
    struct inode *inode; // referenced, its file system too
    uint32_t granted;
};
struct landlock_layer {
    _Atomic uint32_t refs;
    uint32_t handled;
    size_t count, room;
    struct landlock_rule *rules; // by inode
};
struct landlock_domain {
    _Atomic uint32_t refs;
    struct landlock_domain *parent; // the layers below the last; referenced
    unsigned count;
    struct landlock_layer *layers[LANDLOCK_LAYERS_MAX]; // referenced
};

// A layer without rules. NULL without memory.
struct landlock_layer *landlock_layer_create(uint32_t handled);
struct landlock_layer *landlock_layer_copy(const struct landlock_layer *from);
void landlock_layer_put(struct landlock_layer *layer);
// -LINUX_ENOMEM, -LINUX_E2BIG.
NODISCARD int landlock_layer_grant(struct landlock_layer *layer, struct inode *inode,
                                   uint32_t granted);

// `parent` (may be NULL) with one layer more, whose reference is consumed. -LINUX_E2BIG.
NODISCARD int landlock_domain_create(struct landlock_domain *parent, struct landlock_layer *layer,
                                     struct landlock_domain **out);
struct landlock_domain *landlock_get(struct landlock_domain *domain); // NULL stays NULL
void landlock_put(struct landlock_domain *domain);
// Is `inner` as restricted as `outer`, or more?
bool landlock_within(const struct landlock_domain *inner, const struct landlock_domain *outer);

// -LINUX_EACCES unless the caller's domain grants all of `request` at `p`. No lock ranked mount or
// above is held.
NODISCARD int landlock_check(const struct vfs_caller *c, const struct path *p, uint32_t request);
uint32_t landlock_making(uint32_t type); // the right to make an object of LINUX_S_IF*

// A link or a rename between two directories, in two steps: the first with no lock held.
struct landlock_move {
    const struct landlock_domain *domain;
    bool same_dir;
    uint32_t old_denied[LANDLOCK_LAYERS_MAX], new_denied[LANDLOCK_LAYERS_MAX];
};
void landlock_move_begin(const struct vfs_caller *c, const struct path *old_dir,
                         const struct path *new_dir, struct landlock_move *out);
// `target`: what is there, NULL for nothing. `removes`: the old name goes. -LINUX_EACCES, or
// -LINUX_EXDEV when only the change of directory is not allowed.
NODISCARD int landlock_move_check(const struct landlock_move *m, const struct inode *object,
                                  const struct inode *target, bool removes, bool exchange);

#endif
