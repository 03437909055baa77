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
//
// What a walk looks at comes first: a cache line decides whether an entry is the one sought.
enum { DENTRY_SHORT_NAME = 32 };
struct dentry {
    // Changed under the shard of the parent; taken out while no walk passes the gates below.
    _Atomic(struct dentry *) bucket_next;

    // Guarded by vfs->tree_lock; while hashed changed only after unhashing.
    struct dentry *parent; // referenced; NULL for a root
    char *name;            // short_name, or allocated
    uint32_t hash, name_len;

    _Atomic uint32_t refs;
    _Atomic uint32_t mounts; // mounts on it, in any view
    struct inode *inode;     // referenced, immutable; NULL: negative
    struct super *super;     // immutable; NULL for unnamed objects
    _Atomic bool deleted;    // the name is gone
    bool anonymous;          // immutable: `name` is all there is to show (pipes, memfd)
    bool hashed;             // guarded by the shard of the parent

    char short_name[DENTRY_SHORT_NAME]; // as `name`

    // Guarded by the shard of the parent.
    _Atomic(struct dentry *) *bucket_at; // what points to it
    struct list lru_link, child_link;
    // Hashed children; guarded by the shard of this dentry's children.
    struct list children;
};

enum { DENTRY_SHARDS = 64, DENTRY_BUCKETS = 512 };
struct dentry_shard {
    struct lock lock;
    struct list lru; // hashed entries, most recently added or used first
    unsigned count;
    _Atomic(struct dentry *) bucket[DENTRY_BUCKETS];
};

// Walks through the cache that reference nothing on their way: whoever holds one of the gates may
// follow buckets, and what is hashed stays so, and alive. To take an entry out, all are held.
enum { DENTRY_GATES = 8 };
struct dentry_gate {
    struct lock lock;
    char apart[64]; // from the next one's cache line
};
struct lock *dentry_gate_enter(struct vfs *vfs); // to be released
// The entry if it is hashed, inside a gate.
struct dentry *dentry_peek(struct vfs *vfs, const struct dentry *parent, const char *name,
                           size_t len, uint32_t hash);

void dentry_cache_init(struct vfs *vfs);
void dentry_cache_destroy(struct vfs *vfs); // when it is empty

// The entry of `parent` with this name, referenced; NULL when the cache does not know.
struct dentry *dentry_find(struct vfs *vfs, struct dentry *parent, const char *name, size_t len);
// The same for who has the name's hash: FNV-1a, byte by byte, then ended.
struct dentry *dentry_find_hashed(struct vfs *vfs, struct dentry *parent, const char *name,
                                  size_t len, uint32_t hash);
#define NAME_HASH_START 2166136261u
static inline uint32_t name_hash_add(uint32_t hash, char c)
{
    return (hash ^ (unsigned char)c) * 16777619u;
}
static inline uint32_t name_hash_end(uint32_t hash)
{
    return hash ^ hash >> 15;
}
// A new entry, hashed if `hash`; consumes the inode reference, also on failure (NULL).
struct dentry *dentry_create(struct vfs *vfs, struct dentry *parent, const char *name, size_t len,
                             struct inode *inode, bool hash);
// Gives one made without, unhashed, its inode (the reference is consumed), and hashes it.
void dentry_fill(struct vfs *vfs, struct dentry *d, struct inode *inode);
struct dentry *dentry_create_root(struct inode *inode); // consumes the reference, also on failure
struct dentry *dentry_create_anonymous(struct inode *inode, const char *name);
struct dentry *dentry_get(struct dentry *d);
void dentry_put(struct dentry *d); // with no lock ranked inode or above held
void dentry_hash(struct vfs *vfs, struct dentry *d);
void dentry_unhash(struct vfs *vfs, struct dentry *d);
// Gives an unhashed entry a new place and a name, which it frees; does not hash it.
void dentry_move(struct vfs *vfs, struct dentry *d, struct dentry *parent, char *name);
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

// The absolute name of a dentry in its file system. As path_name() otherwise.
int dentry_name(struct vfs *vfs, struct dentry *d, char *buf, size_t size);

// --- Mounts (fs/mount.c) -------------------------------------------------------------------------
struct mount {
    _Atomic uint32_t refs;
    _Atomic bool expiring; // nobody has used it since umount2 with MNT_EXPIRE
    // Immutable.
    int id;
    struct vfs *vfs;
    struct super *super;
    struct dentry *root;
    char *source, *type;
    _Atomic uint32_t flags;   // MOUNT_*
    _Atomic uint32_t writers; // files open for writing through it
    // Guarded by vfs->mount_lock; NULL when detached, and for the root.
    struct mount *parent;
    struct dentry *point;
    struct list link; // in vfs->mounts, where a mount comes after its parent
    // Guarded by vfs->mount_lock.
    struct mnt_ns *ns;    // whose tree it is in; NULL: in none. Not referenced
    bool locked;          // came with its parent from a namespace with more rights: it stays on it
    unsigned fixed_flags; // came set from there: they stay set (MOUNT_*)
    int peers, master;    // groups of mounts that share what happens; 0: none (fs/mount_share.c)
    bool unbindable;
    struct path was_at; // of one taken out: to be put
    struct mount *copy; // of this mount, while a tree is being copied
    bool marked;        // during one operation
    uint32_t old_flags; // the same
};

// A mount namespace: a tree of mounts (fs/mount_ns.c).
struct mnt_ns {
    struct namespace base;
    struct vfs *vfs;
    struct mount *root; // guarded by vfs->mount_lock; not referenced: it is in vfs->mounts
    unsigned count;     // mounts in it; guarded by vfs->mount_lock
};
enum { MOUNTS_MAX = 20000 }; // in one namespace

// What the files of mounts share. The mount lock is held, but for mount_alloc, mount_of_super and
// mounts_release.
//
// A mount without a place. NULL without memory.
struct mount *mount_alloc(struct vfs *vfs, struct super *super, struct dentry *root,
                          const char *source, const char *type, unsigned flags);
// The same for the whole of a super, whose reference it takes, also when there is no memory.
struct mount *mount_of_super(struct vfs *vfs, struct super *super, const char *source,
                             const char *type, unsigned flags);
// A second view of `m` from `root` on, alike in every respect but its place. NULL without memory.
struct mount *mount_clone(struct mount *m, struct dentry *root);
// Puts a mount that is not in the list on `at`, in the namespace of at->mnt.
void mount_place(struct mount *m, const struct path *at);
// Puts a mount that is in the list, with all that is below it and in no namespace, on `at`.
void mount_place_tree(struct mount *m, const struct path *at);
// The same with everything that follows, over what is mounted there: limits, and what shares with
// the place. -LINUX_ENOENT, -LINUX_ENOSPC, -LINUX_ENOMEM, with what came to nothing in `removed`.
NODISCARD int mount_attach_tree(struct mount *m, const struct path *at, struct list *removed);
// The latest mount on a place, borrowed; NULL when there is none.
struct mount *mount_on(struct vfs *vfs, const struct mount *parent, const struct dentry *point);
// Where a place leads, as deep as mounts are stacked there. Borrowed.
struct path mount_top(struct vfs *vfs, struct path p);
bool mount_is_below(const struct mount *m, const struct mount *top); // or the same
bool mount_has_children(const struct mount *m);
bool mount_kinds_fit(const struct dentry *root, const struct path *at);
// Out of its place, and out of the namespace with all that is below: was_at is where it was.
void mount_unplace(struct mount *m);
// Takes `m` and everything below it out of the list, into `removed`.
void mount_remove_tree(struct mount *m, struct list *removed);
void mounts_release(struct list *removed); // without the lock
// Copies the tree at `m` from `root` on; *out is its top, in the list and in no place. `recursive`:
// with what is mounted below; then mounts that may not be copied are left out, unless `all`. Until
// mount_copies_done() each has its copy in `copy`.
NODISCARD int mount_copy_tree(struct mount *m, struct dentry *root, bool recursive, bool all,
                              struct mount **out);
void mount_copies_done(struct vfs *vfs);
// A tree that came from a namespace with more rights: it is to be seen as it is or not at all.
void mount_lock_tree(struct mount *top);

#define MNT_NS_INITIAL_INUM 4026531841u
struct mnt_ns *mnt_ns_create(struct vfs *vfs, uint32_t inum, struct user_ns *owner);

// fs/mount_share.c: what happens on a mount that shares with others happens on those too. Before
// `tree` is placed on `at`, copies for the others are made; then they are placed. -LINUX_ENOMEM,
// with those in `removed`.
struct shared_copy {
    struct mount *tree;
    struct path at; // borrowed
    int group;      // whose members have still to get theirs; 0: none
    struct shared_copy *next;
};
NODISCARD int share_prepare(struct mount *tree, const struct path *at, struct shared_copy **out,
                            struct list *removed);
void share_commit(struct shared_copy *copies);
void share_remove(struct mount *m, struct list *removed); // what goes with an unmounted `m`
void share_leave(struct mount *m);                        // it is no longer in any group
void share_set(struct mount *m, enum vfs_share kind);

// A path to a place in the tree `ns`?
static inline bool mount_in(const struct path *p, const struct mnt_ns *ns)
{
    return p->mnt->ns == ns;
}
// Files that are open for writing keep a mount from becoming read-only. -LINUX_EROFS.
NODISCARD int mount_add_writer(struct mount *m);
void mount_remove_writer(struct mount *m);
// The last user of a detached tree is gone; harmless when it found a place.
void mount_detached_done(const struct path *p);
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
    struct list mounts;         // of every namespace; guarded by mount_lock
    struct mnt_ns *initial_ns;  // immutable
    int next_group;             // guarded by mount_lock
    int next_mount_id;          // guarded by mount_lock
    struct mount *unnamed;      // immutable: where unnamed objects live
    struct vfs_device *devices; // guarded by mount_lock
    size_t device_count;

    struct lock tree_lock;
    struct list evicted; // dentries to put when no lock is held; guarded by tree_lock
    _Atomic bool has_evicted;
    struct dentry_shard shard[DENTRY_SHARDS];
    struct dentry_gate gate[DENTRY_GATES];

    struct lock hidden_lock;
    struct vfs_hidden *hidden; // host objects no mount may show; guarded by hidden_lock
    size_t hidden_count;

    // Leases (vfs_set_lease_hook); set at boot.
    void *lease_ctx;
    int (*break_leases)(void *ctx, struct inode *inode, unsigned flags, struct task *task);

    // Watches (fs/notify.h); the hooks are set at boot.
    void *event_ctx;
    void (*event)(void *ctx, struct inode *inode, const struct vfs_event *e);
    void *file_event_ctx;
    void (*file_event)(void *ctx, const struct path *p, struct inode *parent, uint32_t mask);
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
// May the caller certainly walk through the directory? False when it would have to be asked.
bool inode_passable(const struct vfs_caller *c, const struct inode *dir);
// The same against a mount: EROFS for a write to a read-only one.
NODISCARD int path_permission(const struct vfs_caller *c, const struct path *p, unsigned mask);
NODISCARD int perm_may_create(const struct vfs_caller *c, const struct path *dir);
NODISCARD int perm_may_delete(const struct vfs_caller *c, const struct path *dir,
                              struct dentry *victim, bool want_dir);
bool perm_owner_or_capable(const struct vfs_caller *c, uint32_t uid);

// Nobody may begin to run the file until it is removed again. -LINUX_ETXTBSY when it is running.
NODISCARD int inode_add_writer(struct inode *inode);
void inode_remove_writer(struct inode *inode);

// Waits until no lease forbids an open with these flags.
static inline int vfs_break_leases(const struct vfs_caller *c, struct inode *inode, unsigned flags)
{
    struct vfs *vfs = c->vfs;
    return LIKELY(!atomic_load_explicit(&inode->leases, memory_order_acquire))
               ? 0
               : vfs->break_leases(vfs->lease_ctx, inode, flags, c->task);
}

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

// --- fs/fcap.c -----------------------------------------------------------------------------------
enum { FCAP_MAX = 24 };
bool fcap_is_valid(const void *value, size_t size);
// The stored value as the caller sees it, its length; room 0 queries. -LINUX_EOVERFLOW when the
// root it counts for has no name here.
ssize_t fcap_show(const struct cred *cred, const void *stored, size_t size, void *buf, size_t room);
// The caller's value as it is stored; *size becomes that of `raw`.
NODISCARD int fcap_store(const struct cred *cred, const void *value, size_t *size,
                         uint8_t raw[FCAP_MAX]);

#endif
