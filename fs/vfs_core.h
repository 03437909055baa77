// What the files of the VFS itself share: caches and tables of one instance. Layer 3.
//
// Not for file systems or for the layers above; they use fs/vfs.h.
#ifndef FS_VFS_CORE_H
#define FS_VFS_CORE_H

#include "fs/vfs.h"

// --- Dentries (fs/dentry.c) ----------------------------------------------------------------------
// A name in a directory. While hashed it can be found by (parent, name) and the cache holds one of
// its references; an entry nobody else holds may be evicted. A negative dentry says that the
// directory has no such name. Children hold a reference to their parent.
struct dentry {
    _Atomic uint32_t refs;
    struct inode *inode; // referenced, immutable; NULL: negative
    struct super *super; // immutable; NULL for unnamed objects
    bool anonymous;      // immutable: `name` is all there is to show (pipes, memfd)

    // Guarded by vfs->tree_lock; while hashed changed only after unhashing.
    struct dentry *parent; // referenced; NULL for a root
    char *name;
    uint32_t name_len, hash;

    // Guarded by the shard of the parent.
    bool hashed;
    struct list bucket_link, lru_link, child_link;
    // Hashed children; guarded by the shard of this dentry's children.
    struct list children;

    _Atomic uint32_t mounts; // mounts on it, in any view
    _Atomic bool deleted;    // the name is gone
};

enum { DENTRY_SHARDS = 64, DENTRY_BUCKETS = 128 };
struct dentry_shard {
    struct lock lock;
    struct list bucket[DENTRY_BUCKETS]; // made when first used: most starts touch few
    struct list lru;                    // hashed entries, most recently added or used first
    unsigned count;
};

// The entry of `parent` with this name, referenced; NULL when the cache does not know.
struct dentry *dentry_find(struct vfs *vfs, struct dentry *parent, const char *name, size_t len);
// A new entry, hashed if `hash`; consumes the inode reference, also on failure (NULL).
struct dentry *dentry_create(struct vfs *vfs, struct dentry *parent, const char *name, size_t len,
                             struct inode *inode, bool hash);
struct dentry *dentry_create_root(struct inode *inode); // consumes the reference, also on failure
struct dentry *dentry_create_anonymous(struct inode *inode, const char *name);
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d); // with no lock ranked inode or above held
void dentry_hash(struct vfs *vfs, struct dentry *d);
void dentry_unhash(struct vfs *vfs, struct dentry *d);
// Gives an unhashed entry a new place; does not hash it. -LINUX_ENOMEM.
NODISCARD int dentry_move(struct vfs *vfs, struct dentry *d, struct dentry *parent,
                          const char *name, size_t len);
// Two unhashed entries change places.
void dentry_swap(struct vfs *vfs, struct dentry *a, struct dentry *b);
// Forgets what is cached below a directory, entries in use excepted.
void dentry_prune(struct vfs *vfs, struct dentry *dir);
// The cache evicts under locks of its callers, under which an inode cannot be freed: the entries
// wait here. With no lock held.
void dentry_free_evicted(struct vfs *vfs);
// Forgets every entry of a file system that nobody holds.
void dentry_prune_super(struct vfs *vfs, struct super *super);
struct dentry *dentry_parent(struct vfs *vfs, struct dentry *d); // referenced; itself for a root
bool dentry_is_below(struct vfs *vfs, struct dentry *d, struct dentry *ancestor); // or the same

// --- Mounts (fs/mount.c) -------------------------------------------------------------------------
struct mount {
    _Atomic uint32_t refs;
    // Immutable.
    int id;
    struct vfs *vfs;
    struct super *super;
    struct dentry *root;
    char *source, *type;
    unsigned flags; // MOUNT_*
    // Guarded by vfs->mount_lock; NULL when detached, and for the root.
    struct mount *parent;
    struct dentry *point;
    struct list link;
};
struct mount *mount_get(struct mount *m);
void mount_put(struct mount *m);
// Replaces `p` by the root of what is mounted on it, as often as something is.
void mount_cross(struct vfs *vfs, struct path *p);
// From the root of a mount to the place it is mounted on. False at the top.
bool mount_up(struct vfs *vfs, struct path *p);

// --- The instance --------------------------------------------------------------------------------
struct vfs_hidden {
    uint64_t dev, ino;
};

struct vfs {
    struct frame_pool *frames; // immutable
    struct vfs_hooks hooks;    // set at boot
    _Atomic uint32_t next_dev_minor;
    _Atomic uint64_t next_ino;

    struct lock mount_lock;
    struct list mounts;         // guarded by mount_lock; the first is the root
    int next_mount_id;          // guarded by mount_lock
    struct mount *unnamed;      // immutable: where unnamed objects live
    struct vfs_device *devices; // guarded by mount_lock
    size_t device_count;

    struct lock tree_lock;
    struct list evicted; // dentries to put when no lock is held; guarded by tree_lock
    _Atomic bool has_evicted;
    struct dentry_shard shard[DENTRY_SHARDS];

    struct lock hidden_lock;
    struct vfs_hidden *hidden; // host objects no mount may show; guarded by hidden_lock
    size_t hidden_count;

    // Watches (fs/notify.h); the hook is set at boot.
    void *event_ctx;
    void (*event)(void *ctx, struct inode *inode, const struct vfs_event *e);
    _Atomic uint32_t watching, next_cookie;

    struct lock lock_graph;
    struct list lock_waiters; // guarded by lock_graph
};

// Host objects that belong to a metadata store: (dev, ino) as the host has them.
NODISCARD int vfs_hide(struct vfs *vfs, uint64_t dev, uint64_t ino);
void vfs_unhide(struct vfs *vfs, uint64_t dev, uint64_t ino);
bool vfs_is_hidden(struct vfs *vfs, uint64_t dev, uint64_t ino);
uint64_t vfs_new_dev(struct vfs *vfs); // a device number for a file system without a device
// Takes mappings of pages [first, end) away (the hook), after page_epoch has moved; no lock held.
void vfs_revoke(struct vfs *vfs, struct inode *inode, uint64_t first, uint64_t end, bool truncated);

NODISCARD int devices_register_builtin(struct vfs *vfs); // fs/device.c, from vfs_create

// --- Permissions (fs/perm.c) ---------------------------------------------------------------------
struct perm {
    uint32_t mode, uid, gid;
};
NODISCARD int inode_perm(struct inode *inode, struct perm *out);
NODISCARD int inode_permission(const struct vfs_caller *c, struct inode *inode, unsigned mask);
// The same against a mount: EROFS for a write to a read-only one.
NODISCARD int path_permission(const struct vfs_caller *c, const struct path *p, unsigned mask);
NODISCARD int perm_may_create(const struct vfs_caller *c, const struct path *dir);
NODISCARD int perm_may_delete(const struct vfs_caller *c, const struct path *dir,
                              struct dentry *victim, bool want_dir);
bool perm_owner_or_capable(const struct vfs_caller *c, uint32_t uid);

// Nobody may begin to run the file until it is removed again. -LINUX_ETXTBSY when it is running.
NODISCARD int inode_add_writer(struct inode *inode);
void inode_remove_writer(struct inode *inode);

// --- Files (fs/file.c, fs/open.c) ----------------------------------------------------------------
struct file *file_alloc(const struct cred *cred, uint32_t flags);
// Opens what `p` names, permission checked unless `created`.
NODISCARD int open_resolved(const struct vfs_caller *c, const struct path *p, unsigned flags,
                            bool created, struct file **out);
uint64_t file_parent_ino(const struct file *file);   // of a directory, for its ".."
NODISCARD int file_truncate_open(struct file *file); // the O_TRUNC of an open
// Before contents change: file capabilities go, and set-id bits unless `cred` may keep them.
NODISCARD int inode_kill_setid(struct inode *inode, const struct cred *cred);
// Around a change of the attribute that holds file capabilities.
void inode_caps_change(struct inode *inode);
void lock_inode_free(struct inode *inode); // fs/lock.c: the lists of an inode that goes

#endif
